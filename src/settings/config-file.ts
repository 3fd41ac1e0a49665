import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml';
import { z } from 'zod';

import { ExitCode, Failure } from '../failure.js';
import { closest } from './closest.js';
import { DURATION_EXPECTED, parseDuration } from './duration.js';

export const CONFIG_FILE = 'lifeboat.config.yaml';

const duration = z.string(DURATION_EXPECTED).transform((value, context) => {
  const seconds = parseDuration(value);
  if (seconds !== null) return seconds;
  context.addIssue({ code: 'custom', message: DURATION_EXPECTED });
  return z.NEVER;
});

const COUNT_EXPECTED = 'a whole number, 0 or above';
const count = z.number(COUNT_EXPECTED).int(COUNT_EXPECTED).min(0, COUNT_EXPECTED).max(1e6, COUNT_EXPECTED);

const ABOVE_0 = 'a whole number above 0';

const PRICE_EXPECTED = 'a price in dollars, 0 or above';
const price = z.number(PRICE_EXPECTED).min(0, PRICE_EXPECTED).max(1e6, PRICE_EXPECTED);

/** Read where it is used: the daemon says what is wrong with it. */
const schedule = z.string('hourly, daily, weekly, monthly, a time such as 6h, a cron line, or off');

/** Timers take no longer ones. */
const LONGEST_LIMIT = 24 * 86_400;
const LIMIT_EXPECTED = `${DURATION_EXPECTED}, above 0 and up to 24d`;
const limit = duration.refine((seconds) => seconds > 0 && seconds <= LONGEST_LIMIT, LIMIT_EXPECTED);

const SECTION = 'a mapping with one "key: value" on each line';

const configSchema = z.strictObject(
  {
    objectives: z
      .strictObject(
        {
          /** Longest time that a recovery may take. */
          rto: duration.optional(),
          /** Oldest data that may be lost. */
          rpo: duration.optional(),
        },
        SECTION,
      )
      .optional(),
    retention: z
      .strictObject(
        {
          keepLast: count.min(1, ABOVE_0).optional(),
          /** All that are less than so much older than the newest. */
          keepWithin: duration.optional(),
          keepHourly: count.optional(),
          keepDaily: count.optional(),
          keepWeekly: count.optional(),
          keepMonthly: count.optional(),
          keepYearly: count.optional(),
          /** These two limit what the rules above keep. */
          maxCount: count.min(1, ABOVE_0).optional(),
          maxAge: duration.optional(),
          /** So many of the newest complete backups stay in spite of the limits. */
          minimum: count.min(1, ABOVE_0).optional(),
        },
        SECTION,
      )
      .optional(),
    backup: z
      .strictObject(
        {
          to: z.enum(['local', 's3', 'both'], 'local, s3 or both').optional(),
          /** Whether backups are encrypted without --encrypt. */
          encrypt: z.boolean('true or false').optional(),
        },
        SECTION,
      )
      .optional(),
    schedule: z
      .strictObject(
        {
          backup: schedule.optional(),
          verify: schedule.optional(),
          prune: schedule.optional(),
          drift: schedule.optional(),
          drill: schedule.optional(),
        },
        SECTION,
      )
      .optional(),
    /** How long a job of the daemon may take. */
    limits: z
      .strictObject(
        {
          backup: limit.optional(),
          verify: limit.optional(),
          prune: limit.optional(),
          drift: limit.optional(),
          drill: limit.optional(),
        },
        SECTION,
      )
      .optional(),
    prices: z
      .strictObject(
        {
          storageGbMonth: price.optional(),
          archiveGbMonth: price.optional(),
          put1000: price.optional(),
          get1000: price.optional(),
          transferGb: price.optional(),
        },
        SECTION,
      )
      .optional(),
    alerts: z
      .strictObject(
        {
          /** The least severity that is told. */
          severity: z.enum(['warning', 'problem'], 'warning or problem').optional(),
          /** How long something must be wrong before it is told. */
          after: duration.optional(),
          /** How long until the same is told again. */
          repeat: duration.optional(),
        },
        SECTION,
      )
      .optional(),
  },
  SECTION,
);

/** What lifeboat.config.yaml says; durations in seconds. */
export type Config = z.output<typeof configSchema>;

/** The file's values and, for each "section.key" in it, its line. */
export interface ConfigFile {
  config: Config;
  lines: ReadonlyMap<string, number>;
}

/**
 * Reads lifeboat.config.yaml of a folder; without the file, an empty configuration.
 *
 * @throws Failure (exit 2) that names file, line and column of everything that is wrong
 */
export async function readConfigFile(cwd: string): Promise<ConfigFile> {
  let text: string;
  try {
    text = await readFile(join(cwd, CONFIG_FILE), 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return { config: {}, lines: new Map() };
    throw failure([`${CONFIG_FILE}: it cannot be read (${code ?? String(error)})`], error);
  }
  return parseConfig(text);
}

/** Reads the text of a configuration file. See readConfigFile. */
export function parseConfig(text: string): ConfigFile {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = counter.linePos(offset);
    return `${CONFIG_FILE}:${line}:${col}`;
  };
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0) throw failure(broken.map(({ pos, message }) => `${at(pos[0])}: ${message}`));
  // An empty file, or one of comments only, is an empty configuration.
  const result = configSchema.safeParse(document.toJS({ maxAliasCount: 100 }) ?? {});
  if (!result.success) {
    throw failure(result.error.issues.flatMap((issue) => describe(issue, document, at)));
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

function failure(problems: readonly string[], cause?: unknown): Failure {
  return new Failure(
    {
      operation: 'read the settings',
      subject: CONFIG_FILE,
      reason: problems.join('; '),
      hint: `Correct ${CONFIG_FILE} at the named line.`,
      exitCode: ExitCode.usage,
      code: 'settings-invalid',
    },
    { cause },
  );
}
