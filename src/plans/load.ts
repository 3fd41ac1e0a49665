import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LineCounter, parseDocument, type Document } from 'yaml';
import type { ZodError } from 'zod';
import { ExitCode, Failure } from '../failure.js';
import { planSchema, type Plan } from './schema.js';

/**
 * Reads every `*.yaml` of the folders; a plan of a later folder replaces one of the same name, so that a team's own
 * folder can adjust the built-in plans.
 *
 * @param knownSteps names of the steps there are; a plan that names another is refused.
 * @throws Failure (exit 2) that names file, line and column of the first thing wrong.
 */
export async function loadPlans(folders: readonly string[], knownSteps: ReadonlySet<string>): Promise<Plan[]> {
  const plans = new Map<string, Plan>();
  for (const folder of folders) {
    for (const file of await planFiles(folder)) {
      const plan = parsePlan(await readPlanFile(file), file, knownSteps);
      plans.set(plan.name, plan);
    }
  }
  return [...plans.values()].sort((a, b) => a.rank - b.rank);
}

async function planFiles(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder);
    return names.filter((name) => /\.ya?ml$/.test(name)).sort().map((name) => join(folder, name));
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
  const parsed = planSchema.safeParse(document.toJS());
  if (!parsed.success) {
    const { path, message } = firstIssue(parsed.error);
    throw unusable(at(file, lines, offsetOf(document, path)), `${path.join('.') || 'the plan'}: ${message}`);
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

function firstIssue(error: ZodError): { path: (string | number)[]; message: string } {
  const [issue] = error.issues;
  const path = (issue?.path ?? []).map((part) => (typeof part === 'number' ? part : String(part)));
  if (issue?.code === 'unrecognized_keys' && issue.keys[0] !== undefined) path.push(issue.keys[0]);
  return { path, message: issue?.message ?? 'invalid' };
}

/** Where a path stands in the text; for something missing, where it should have stood. */
function offsetOf(document: Document, path: (string | number)[]): number {
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
