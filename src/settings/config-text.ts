import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { closest } from './closest.js';
import { CONFIG_FILE, configFailure } from './config-failure.js';
import { configSchema, type ConfigFile } from './config-schema.js';

/** Reads the text of a configuration file. See readConfigFile. */
export function parseConfig(text: string): ConfigFile {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = counter.linePos(offset);
    return `${CONFIG_FILE}:${line}:${col}`;
  };
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0) throw configFailure(broken.map(({ pos, message }) => `${at(pos[0])}: ${message}`));
  // An empty file, or one of comments only, is an empty configuration.
  const result = configSchema.safeParse(document.toJS({ maxAliasCount: 100 }) ?? {});
  if (!result.success) {
    throw configFailure(result.error.issues.flatMap((issue) => describe(issue, document, at)));
  }
  return { config: result.data, lines: linesOf(document, counter) };
}

function describe(
  issue: z.core.$ZodIssue,
  document: Document.Parsed,
  at: (offset: number) => string,
): string[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const where = at(keyOffset(document, path, key));
      const known = knownKeys(path);
      const near = closest(key, known);
      const help = near === null ? `known here: ${known.join(', ')}` : `did you mean "${near}"?`;
      return `${where}: "${[...path, key].join('.')}" is not a setting; ${help}`;
    });
  }
  const node = document.getIn(path, true);
  const offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  const what = path.length === 0 ? 'the file' : `"${path.join('.')}"`;
  return [`${at(offset)}: ${what} should be ${issue.message}`];
}

function keyOffset(document: Document.Parsed, path: readonly string[], key: string): number {
  const map = path.length === 0 ? document.contents : document.getIn(path, true);
  if (!isMap(map)) return 0;
  const found = map.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === key)?.key;
  return isNode(found) ? (found.range?.[0] ?? 0) : 0;
}

function knownKeys(path: readonly string[]): string[] {
  const section = path[0];
  if (section === undefined) return Object.keys(configSchema.shape);
  const inner = configSchema.shape[section as keyof typeof configSchema.shape];
  return Object.keys(inner.unwrap().shape);
}

function linesOf(document: Document.Parsed, counter: LineCounter): Map<string, number> {
  const lines = new Map<string, number>();
  if (!isMap(document.contents)) return lines;
  for (const { key: section, value } of document.contents.items) {
    if (!isScalar(section) || !isMap(value)) continue;
    for (const { key } of value.items) {
      if (!isScalar(key)) continue;
      lines.set(`${String(section.value)}.${String(key.value)}`, counter.linePos(key.range[0]).line);
    }
  }
  return lines;
}
