import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Failure } from '../../src/failure.js';
import { Journal, readJournal, type JournalEntry } from '../../src/recovery/journal.js';
import { isResumable, listRuns, readRun, standingChanges, stateOf } from '../../src/recovery/run-state.js';

const HEADER: JournalEntry = {
  entry: 'run',
  run: '20261121-120000-abcdef',
  command: 'recover',
  version: '0.1.0',
  stores: {
    graph: 'localhost:6379',
    graphName: 'memories',
    vectors: 'http://localhost:6333',
    collection: 'memories',
  },
  request: {
    plan: null,
    dryRun: false,
    interactive: false,
    confirm: 'memories',
    confirmName: 'memories',
    fix: false,
    goal: 'recover',
  },
  options: {},
};
const PLAN: JournalEntry = { entry: 'plan', plan: 'rebuild-graph', steps: ['a', 'b'], backup: null };
const SWAP = { kind: 'graph-swap', graph: 'memories', staging: 's', replaced: 'r' } as const;

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-journal-'));
  path = join(folder, 'journal.ndjson');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(...entries: JournalEntry[]): void {
  const journal = Journal.open(path);
  for (const entry of entries) journal.append(entry);
  journal.close();
}

describe('a journal', () => {
  it('gives back what was appended, in order, with times, for its owner only', () => {
    write(HEADER, PLAN);
    write({ entry: 'end', outcome: 'recovered', exitCode: 0 });
    expect(readJournal(path)).toMatchObject([HEADER, PLAN, { entry: 'end', outcome: 'recovered' }]);
    expect(readJournal(path).every(({ time }) => !Number.isNaN(Date.parse(time)))).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('passes over a torn last line, and the next entry after it is whole', () => {
    write(HEADER, PLAN);
    appendFileSync(path, '{"entry":"step","step":"a","pha');
    expect(readJournal(path)).toHaveLength(2);
    write({ entry: 'step', step: 'a', phase: 'intent' });
    expect(readJournal(path).map(({ entry }) => entry)).toEqual(['run', 'plan', 'step']);
    expect(readFileSync(path, 'utf8').endsWith('\n')).toBe(true);
  });

  it.each([
    ['missing', () => rmSync(path, { force: true }), /no such file/],
    ['empty', () => writeFileSync(path, ''), /does not begin/],
    ['of something else', () => writeFileSync(path, '{"a":1}\nnull\n'), /does not begin/],
  ])('that is %s is refused with a hint', (_, spoil, reason) => {
    spoil();
    expect(() => readJournal(path)).toThrow(Failure);
    expect(() => readJournal(path)).toThrow(reason);
  });

  it('that cannot be written stops the run, saying how to go on', () => {
    const path = join(folder, '20261101-100000-abcdef', 'journal.ndjson');
    expect(() => Journal.open(path)).toThrow(/write the journal/);
    expect(() => Journal.open(path)).toThrow(
      expect.objectContaining({
        hint: expect.stringMatching(/runs resume 20261101-100000-abcdef$/) as string,
      }) as Error,
    );
  });

  it('on a full disk fails before the entry counts', () => {
    const journal = Journal.open('/dev/full');
    expect(() => journal.append(HEADER)).toThrow(/no space/i);
    journal.close();
  });
});

describe('the state of a run', () => {
  const state = (...entries: JournalEntry[]) =>
    stateOf(
      folder,
      [HEADER, ...entries].map((entry) => ({ ...entry, time: '2026-11-21T12:00:00.000Z' })),
    );

  it('counts steps that were done, and keeps what the last one left', () => {
    const run = state(
      PLAN,
      { entry: 'step', step: 'a', phase: 'intent' },
      { entry: 'step', step: 'a', phase: 'done', work: { promoted: false } },
      { entry: 'step', step: 'b', phase: 'intent' },
    );
    expect(run).toMatchObject({ status: 'unfinished', done: ['a'], work: { promoted: false } });
    expect(isResumable(run)).toBe(true);
  });

  it('knows a change by what it changes, and how far it came', () => {
    const run = state(
      PLAN,
      { entry: 'change', phase: 'intent', change: SWAP },
      { entry: 'change', phase: 'done', change: SWAP },
      { entry: 'change', phase: 'intent', change: { kind: 'collection-create', collection: 'memories' } },
    );
    expect(run.changes.map(({ phase }) => phase)).toEqual(['done', 'intent']);
    expect(standingChanges(run).map(({ change }) => change.kind)).toEqual([
      'collection-create',
      'graph-swap',
    ]);
    expect(standingChanges(state(PLAN, { entry: 'change', phase: 'undone', change: SWAP }))).toEqual([]);
  });

  it.each([
    ['recovered', false],
    ['failed', true],
    ['interrupted', true],
    ['validation-failed', false],
  ] as const)('after %s: resumable %s', (outcome, resumable) => {
    expect(isResumable(state(PLAN, { entry: 'end', outcome, exitCode: 1 }))).toBe(resumable);
  });

  it('before its plan there is nothing to resume, and after a rollback neither', () => {
    expect(isResumable(state())).toBe(false);
    expect(isResumable(state(PLAN, { entry: 'rolled-back' }))).toBe(false);
  });

  it('is read by its name, and no name leads out of the folder of the runs', () => {
    expect(() => readRun(folder, '../../etc')).toThrow(/no run of that name/);
    expect(listRuns(folder)).toEqual([]);
  });
});
