import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMap, isScalar, LineCounter, parseDocument, visit, type Document } from 'yaml';
import type { ZodError } from 'zod';
import { ExitCode, Failure } from '../failure.js';
import { planSchema, type Plan } from './schema.js';

/**
 * Reads every `*.yaml` of the folders; a plan of a later folder replaces one of the same name, so that a team's own
 * folder can adjust the built-in plans. Two of one name in one folder are refused: nobody could tell which one counts.
 *
 * @param knownSteps names of the steps there are; a plan that names another is refused.
 * @throws Failure (exit 2) that names file, line and column of the first thing wrong.
 */
export async function loadPlans(
  folders: readonly string[],
  knownSteps: ReadonlySet<string>,
): Promise<Plan[]> {
  const plans = new Map<string, Plan>();
  for (const folder of folders) {
    const files = new Map<string, string>();
    for (const file of await planFiles(folder)) {
      const plan = parsePlan(await readPlanFile(file), file, knownSteps);
      const other = files.get(plan.name);
      if (other !== undefined) throw unusable(file, `${other} holds a plan "${plan.name}" already`);
      files.set(plan.name, file);
      plans.set(plan.name, plan);
    }
  }
  return [...plans.values()].sort((a, b) => a.rank - b.rank);
}

async function planFiles(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder);
    return names
      .filter((name) => /\.ya?ml$/.test(name))
      .sort()
      .map((name) => join(folder, name));
  } catch (error) {
    throw unusable(folder, `the folder cannot be read: ${(error as Error).message}`);
  }
}

async function readPlanFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw unusable(file, (error as Error).message);
  }
}

/** Parses one plan. Exported for tests. @throws Failure (exit 2) naming file, line and column. */
export function parsePlan(text: string, file: string, knownSteps: ReadonlySet<string>): Plan {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [syntax] = document.errors;
  if (syntax !== undefined) throw unusable(at(file, lines, syntax.pos[0]), syntax.message);
  const alias = firstAlias(document);
  if (alias !== null)
    throw unusable(at(file, lines, alias), 'a plan is written out: aliases are not followed');
  const parsed = planSchema.safeParse(document.toJS());
  if (!parsed.success) {
    const { path, message, key } = firstIssue(parsed.error);
    const where = key === undefined ? path : [...path, key];
    throw unusable(
      at(file, lines, offsetOf(document, path, key)),
      `${where.join('.') || 'the plan'}: ${message}`,
    );
  }
  const unknown = parsed.data.steps.findIndex((step) => !knownSteps.has(step));
  if (unknown >= 0) {
    const known = [...knownSteps].join(', ');
    throw unusable(
      at(file, lines, offsetOf(document, ['steps', unknown])),
      `there is no step "${parsed.data.steps[unknown] ?? ''}"; the steps are: ${known}`,
    );
  }
  return parsed.data;
}

/** Where the first alias stands. Followed, one that points nowhere or a bomb of them would throw. */
function firstAlias(document: Document): number | null {
  let offset: number | null = null;
  visit(document, {
    Alias: (_key, node) => {
      offset = node.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return offset;
}

interface Issue {
  path: (string | number)[];
  message: string;
  /** Of a key that the schema does not know; `path` is then that of the object. */
  key: string | undefined;
}

function firstIssue(error: ZodError): Issue {
  const [issue] = error.issues;
  const path = (issue?.path ?? []).map((part) => (typeof part === 'number' ? part : String(part)));
  const key = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  return { path, message: issue?.message ?? 'invalid', key };
}

/** Where a value or a key stands in the text; for something missing, where it should have stood. */
function offsetOf(document: Document, path: (string | number)[], key?: string): number {
  const owner: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
  if (key !== undefined && isMap(owner)) {
    const found = owner.items
      .map((pair) => pair.key)
      .find((name) => isScalar(name) && String(name.value) === key);
    if (isScalar(found) && found.range) return found.range[0];
  }
  for (let length = path.length; length >= 0; length--) {
    const node: unknown = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    const range = (node as { range?: [number, number, number] } | null | undefined)?.range;
    if (range !== undefined) return range[0];
  }
  return 0;
}

function at(file: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${file}:${line}:${col}`;
}

function unusable(subject: string, reason: string): Failure {
  return new Failure({
    operation: 'load the recovery plan',
    subject,
    reason,
    hint: 'Mend the file; recovery-plans/rebuild-graph.yaml shows every key.',
    exitCode: ExitCode.usage,
    code: 'plan-invalid',
  });
}
