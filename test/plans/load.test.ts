import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

import { Failure } from '../../src/failure.js';
import { loadPlans, parsePlan } from '../../src/plans/load.js';
import { STEPS } from '../../src/steps/registry.js';
import { folderWith } from '../support/archive-files.js';

const BUILT_IN = join(import.meta.dirname, '../../recovery-plans');
const KNOWN = new Set(STEPS.keys());

const GOOD = `# A plan of our own.
name: own-plan
title: Our plan
summary: What we do.
rank: 10
when:
  - graph: [lost, empty]
    vectors: [intact]
needs: [payloads]
destructive: true
changes: ['graph {graph}']
loses:
  - when: { backups: usable }
    text: nothing
  - text: a little
work: [read-points]
steps:
  - prove-source
  - recount
guidance: Call somebody.
`;

let folders: string[] = [];
function folder(files: Record<string, string>): string {
  const made = folderWith(files);
  folders.push(made);
  return made;
}
afterEach(() => {
  for (const made of folders) rmSync(made, { recursive: true, force: true });
  folders = [];
});

async function failure(act: () => unknown): Promise<Failure> {
  try {
    await act();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('the plan was taken');
}

const refuse = (text: string): Promise<Failure> => failure(() => parsePlan(text, 'own.yaml', KNOWN));

describe('the built-in plans', () => {
  it('load, best first, and name only steps that there are', async () => {
    const plans = await loadPlans([BUILT_IN], KNOWN);
    expect(plans.map(({ name, rank }) => [name, rank])).toEqual([
      ['healthy', 0],
      ['sync-drift', 10],
      ['rebuild-graph', 20],
      ['reembed-vectors', 20],
      ['restore-backup', 30],
      ['restore-graph', 31],
      ['restore-vectors', 32],
      ['restore-volume', 40],
      ['fresh-start', 90],
    ]);
    expect(plans.filter(({ steps }) => steps.length === 0).map(({ name }) => name)).toEqual(['healthy']);
  });

  it('change a store only where they say that they are destructive, but for a repair, which adds and keeps copies', async () => {
    for (const { name, destructive, changes } of await loadPlans([BUILT_IN], KNOWN)) {
      expect(changes.length > 0).toBe(destructive || name === 'sync-drift');
    }
  });
});

describe('parsePlan', () => {
  it('reads a whole plan and fills in what may be left out', () => {
    expect(parsePlan(GOOD, 'own.yaml', KNOWN)).toMatchObject({
      name: 'own-plan',
      rank: 10,
      when: [{ graph: ['lost', 'empty'], vectors: ['intact'] }],
      needs: ['payloads'],
      loses: [{ when: { backups: 'usable' }, text: 'nothing' }, { text: 'a little' }],
      steps: ['prove-source', 'recount'],
    });
    expect(parsePlan(GOOD.replace('needs: [payloads]\n', ''), 'own.yaml', KNOWN).needs).toEqual([]);
    expect(parsePlan(GOOD.replaceAll('\n', '\r\n'), 'own.yaml', KNOWN).name).toBe('own-plan');
  });

  it.each<[string, string, string, string, RegExp]>([
    ['a syntax error', 'needs: [payloads]', 'needs: [payloads', '10:1', /./],
    ['a tab as indentation', '    vectors: [intact]', '\tvectors: [intact]', '8:1', /tab/i],
    ['a key that stands twice', 'rank: 10', 'rank: 10\nrank: 11', '6:1', /unique/i],
    ['an unknown key', 'rank: 10', 'rank: 10\npriority: high', '6:1', /^priority: Unrecognized key/],
    [
      'an unknown store',
      '    vectors: [intact]',
      '    vektors: [intact]',
      '8:5',
      /^when\.0\.vektors: Unrecognized key/,
    ],
    [
      'an unknown key in a loss',
      'loses:\n  - when: { backups: usable }',
      'loses:\n  - if: { backups: usable }',
      '13:5',
      /^loses\.0\.if: Unrecognized key/,
    ],
    ['a wrong type', 'rank: 10', 'rank: first', '5:7', /^rank: .*expected number/],
    ['a rank below zero', 'rank: 10', 'rank: -1', '5:7', /^rank: /],
    ['a broken rank', 'rank: 10', 'rank: 1.5', '5:7', /^rank: /],
    [
      'a boolean in quotes',
      'destructive: true',
      "destructive: 'true'",
      '10:14',
      /^destructive: .*expected boolean/,
    ],
    ['an unknown state', '[lost, empty]', '[lost, gone]', '7:19', /^when\.0\.graph\.1: .*"lost"/],
    ['no state at all', '[lost, empty]', '[]', '7:12', /^when\.0\.graph: /],
    ['an unknown requirement', 'needs: [payloads]', 'needs: [luck]', '9:9', /^needs\.0: /],
    ['an empty title', 'title: Our plan', "title: ''", '3:8', /^title: /],
    ['a title that is missing', 'title: Our plan\n', '', '2:1', /^title: /],
    ['a value that is missing', 'title: Our plan', 'title:', '3:7', /^title: .*expected string/],
    ['a name with spaces', 'own-plan', 'Own plan', '2:7', /^name: expected a name such as rebuild-graph/],
    ['no condition', 'when:\n  - graph: [lost, empty]\n    vectors: [intact]', 'when: []', '6:7', /^when: /],
    [
      'a step that there is not',
      '  - recount',
      '  - recont',
      '19:5',
      /^there is no step "recont"; the steps are: .*recount/,
    ],
    ['a step that is no text', '  - recount', '  - 7', '19:5', /^steps\.1: /],
    ['an alias', 'summary: What we do.', 'summary: *text', '4:10', /aliases/],
    [
      'an alias with its anchor',
      'title: Our plan\nsummary: What we do.',
      'title: &t Our plan\nsummary: *t',
      '4:10',
      /aliases/,
    ],
  ])('names file, line and column of %s', async (_, from, to, position, reason) => {
    expect(GOOD).toContain(from);
    const found = await refuse(GOOD.replace(from, to));
    expect({ subject: found.subject, code: found.code, exitCode: found.exitCode }).toEqual({
      subject: `own.yaml:${position}`,
      code: 'plan-invalid',
      exitCode: 2,
    });
    expect(found.reason).toMatch(reason);
    expect(found.message).toBe(`Could not load the recovery plan (own.yaml:${position}): ${found.reason}`);
  });

  it.each([
    ['an empty file', ''],
    ['comments alone', '# nothing yet\n'],
    ['a text', 'just words'],
    ['a list', '- a\n- b\n'],
    ['two documents', `${GOOD}---\n${GOOD}`],
    ['bytes of something else', '\u0000\u0001PNG'],
    [
      'a bomb of aliases',
      'a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c]\n',
    ],
  ])('refuses %s without falling over it', async (_, text) => {
    const { subject, code } = await refuse(text);
    expect(subject).toMatch(/^own\.yaml:\d+:\d+$/);
    expect(code).toBe('plan-invalid');
  });
});

describe('loadPlans', () => {
  it('lets the folder of a team replace built-in plans and add its own', async () => {
    const team = folder({
      'ours.yaml': GOOD,
      'healthy.yml': GOOD.replace('own-plan', 'healthy')
        .replace('Our plan', 'Look again')
        .replace('rank: 10', 'rank: 30'),
      'notes.txt': 'not a plan',
      'healthy.yaml.bak': 'not: a plan',
    });
    const plans = await loadPlans([BUILT_IN, team], KNOWN);
    const titles = new Map(plans.map(({ name, title }) => [name, title]));
    expect(titles.get('own-plan')).toBe('Our plan');
    expect(titles.get('healthy')).toBe('Look again');
    expect(titles.size).toBe(10);
    expect(plans.map(({ rank }) => rank)).toEqual(plans.map(({ rank }) => rank).sort((a, b) => a - b));
  });

  it('refuses two plans of one name in one folder', async () => {
    const team = folder({ 'a.yaml': GOOD, 'b.yaml': GOOD });
    expect(await failure(() => loadPlans([team], KNOWN))).toMatchObject({
      subject: join(team, 'b.yaml'),
      reason: `${join(team, 'a.yaml')} holds a plan "own-plan" already`,
      exitCode: 2,
    });
  });

  it('names the file in a team’s folder that is wrong', async () => {
    const team = folder({ 'good.yaml': GOOD, 'wrong.yaml': GOOD.replace('rank: 10', 'rank: x') });
    expect((await failure(() => loadPlans([BUILT_IN, team], KNOWN))).subject).toBe(
      `${join(team, 'wrong.yaml')}:5:7`,
    );
  });

  it('says which folder or file cannot be read', async () => {
    const team = folder({ 'plan.yaml/inside': 'a folder named like a plan' });
    expect(await failure(() => loadPlans([join(team, 'missing')], KNOWN))).toMatchObject({
      subject: join(team, 'missing'),
      reason: expect.stringContaining('the folder cannot be read: ENOENT') as string,
      exitCode: 2,
    });
    expect(await failure(() => loadPlans([team], KNOWN))).toMatchObject({
      subject: join(team, 'plan.yaml'),
      reason: expect.stringContaining('EISDIR') as string,
    });
  });

  it('finds no plan in an empty folder', async () => {
    expect(await loadPlans([folder({})], KNOWN)).toEqual([]);
  });
});
