import { isStorable } from '../../memory/payload.js';
import { setOwn, type ValueMap } from '../../memory/values.js';

/** Why a record cannot be written: its names or values are not such as the graph can hold. */
export class Unwritable extends Error {
  override readonly name = 'Unwritable';
}

const SOUND_NAME = /^[^`\0]+$/;

/** Whether a label, type or property of this name can be stored, and be named by a query. */
export function isSoundName(name: string): boolean {
  return SOUND_NAME.test(name) && name.isWellFormed();
}

/** @throws Unwritable where a label, type or property name cannot be stored or could never be queried. */
export function checkNames(labels: readonly string[], keys: readonly string[]): void {
  if (labels.length === 0) throw new Unwritable('it has no label');
  for (const label of labels) {
    checkName(label);
    // The bulk command splits labels at colons.
    if (label.includes(':')) throw new Unwritable(`the label ${JSON.stringify(label)} holds a colon`);
  }
  for (const key of keys) checkName(key);
}

function checkName(name: string): void {
  if (isSoundName(name)) return;
  if (name === '') throw new Unwritable('a label, type or property name is empty');
  if (!name.isWellFormed())
    throw new Unwritable(`the name ${JSON.stringify(name)} holds half a character, which no text can hold`);
  throw new Unwritable(
    `the name ${JSON.stringify(name)} holds a backtick or a NUL character, which no query can name`,
  );
}

/**
 * What is left of a node or relationship without the names that cannot be stored, and those names with their reasons.
 */
export function withoutUnsoundNames(
  labels: readonly string[],
  properties: ValueMap,
): { labels: string[]; properties: ValueMap; refused: { name: string; reason: string }[] } {
  const refused: { name: string; reason: string }[] = [];
  const isSound = (name: string, check: () => void): boolean => {
    try {
      check();
      return true;
    } catch (error) {
      if (!(error instanceof Unwritable)) throw error;
      refused.push({ name, reason: error.message });
      return false;
    }
  };
  return {
    labels: labels.filter((label) => isSound(label, () => checkNames([label], []))),
    properties: Object.fromEntries(
      Object.entries(properties).filter(([name]) => isSound(name, () => checkName(name))),
    ),
    refused,
  };
}

/**
 * Splits properties into those that the graph can hold and the names of those it cannot. Nulls are neither: to the
 * graph, absent and null are the same.
 */
export function storableProperties(properties: ValueMap): { kept: ValueMap; refused: string[] } {
  const entries = Object.entries(properties);
  if (entries.every(([, value]) => isStorable(value))) return { kept: properties, refused: [] };
  const kept: ValueMap = {};
  const refused: string[] = [];
  for (const [key, value] of entries) {
    if (value === null) continue;
    if (isStorable(value)) setOwn(kept, key, value);
    else refused.push(key);
  }
  return { kept, refused };
}
