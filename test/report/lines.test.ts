import { describe, expect, it } from 'vitest';
import type { Summary, TimedEvent } from '../../src/recovery/events.js';
import { linesView } from '../../src/report/lines.js';
import { at, checks, goodRun, NINE_PLANS, opening, OPTIONS, summary } from './fixtures.js';

function printed(events: TimedEvent[]): string[] {
  const lines: string[] = [];
  const view = linesView((line) => lines.push(line));
  for (const event of events) view(event);
  return lines;
}

const report = (lines: string[]): string =>
  lines.slice(lines.findIndex((line) => line.startsWith('REPORT'))).join('\n');

describe('the plain view', () => {
  it('reads as a log: time, word, what happened; one line each', () => {
    const lines = printed(goodRun());
    expect(lines).toContain(
      '03:12:05  PROBLEM graph lost: 0 memories, 0 relationships (memories at graph.internal:6379)',
    );
    expect(lines).toContain('03:12:10  WARNING not confirmed: "memry" is not "memories"');
    expect(lines).toContain('03:12:17  ok      Read every point from the collection: 10,000 points (5s)');
    for (const line of lines) expect(line).not.toMatch(/[\n\r\p{Cc}]/u);
  });

  it('shows every plan, with the reason where it does not apply', () => {
    const text = printed(opening()).join('\n');
    for (const option of OPTIONS) expect(text).toContain(`plan ${option.name}`);
    expect(text).toContain('plan sync-drift: does not apply: There is no graph to compare the vectors with.');
  });

  it('speaks of progress every two seconds, and not at all of a short step', () => {
    const progress = (seconds: number) =>
      at(seconds, {
        type: 'step.progress',
        step: 's',
        unit: 'points',
        done: seconds * 10,
        total: 100,
        rate: 10,
        etaSeconds: 1,
      });
    const started = at(0, { type: 'step.started', step: 's', title: 'Read', index: 1, total: 1 });
    const said = (events: TimedEvent[]) =>
      printed([started, ...events]).filter((line) => line.includes('points'));
    expect(said([0.5, 1, 1.9].map(progress))).toEqual([]);
    expect(said([1, 2, 2.5, 3, 3.9, 4, 5].map(progress)).map((line) => line.slice(0, 8))).toEqual([
      '03:12:06',
      '03:12:08',
    ]);
  });

  it('speaks of a step that waits every half minute, and says what for', () => {
    const started = at(0, {
      type: 'step.started',
      step: 's',
      title: 'Wait for the graph',
      index: 1,
      total: 1,
    });
    const waits = Array.from({ length: 125 }, (_, index) =>
      at(index, {
        type: 'step.progress',
        step: 's',
        unit: 'seconds',
        done: index,
        total: 1800,
        rate: 1,
        etaSeconds: 1800 - index,
      }),
    );
    const said = printed([started, ...waits]).filter((line) => line.includes('waiting'));
    expect(said).toHaveLength(5);
    expect(said[4]).toMatch(/Wait for the graph: waiting for 2m02, at most 30m$/);
  });

  it('says what is mended, where a run goes on, and which plans run on request', () => {
    const lines = printed([
      ...opening(NINE_PLANS, 'sync-drift'),
      at(2, { type: 'resumed', run: 'run-7f3a', after: 'promote' }),
      at(2, { type: 'resumed', run: 'run-7f3a', after: null }),
      at(3, { type: 'fix.offered', mends: ['retry'], round: 1 }),
      at(4, { type: 'fix.started', mends: ['reembed-missing', 'create-indexes'], round: 2 }),
    ]).map((line) => line.slice(10).trim());
    expect(lines).toContain('plan rebuild-graph: on request: not needed: the graph is intact');
    expect(lines).toContain('run-7f3a goes on after the step "promote"');
    expect(lines).toContain('run-7f3a goes on from its first step');
    expect(lines).toContain(
      'WARNING may be mended, round 1 of 3: look once more: it may only have been late',
    );
    expect(lines).toContain(
      'mending, round 2 of 3: embed what is missing; make the indexes that are missing',
    );
  });

  it('tells of a repair its one plan, without reasons of ranking that contradict it', () => {
    const events = opening(NINE_PLANS, 'healthy').map((event) =>
      event.type === 'run.started' ? { ...event, command: 'repair' } : event,
    );
    const asked = events.map((event) =>
      event.type === 'plans'
        ? {
            ...event,
            options: event.options.map((option) =>
              option.name === 'sync-drift' ? { ...option, applies: false, onRequest: true as const } : option,
            ),
          }
        : event,
    );
    const text = printed([
      ...asked,
      at(8, { type: 'plan.chosen', plan: 'sync-drift', by: 'operator' }),
      at(9, summary({ command: 'repair', plan: 'sync-drift', outcome: 'dry-run' })),
    ]).join('\n');
    expect(text.match(/plan [a-z-]+:/g)).toEqual(['plan sync-drift:']);
    expect(text).not.toMatch(/rebuild-graph|on request|does not apply|chosen by|PLANS/);
  });

  it('says once why no plan fits', () => {
    const failure = { code: 'no-plan-applies', message: 'None fits.', hint: 'Look elsewhere.' };
    const text = printed([
      ...opening(),
      at(9, summary({ outcome: 'failed', exitCode: 4, plan: null, failure })),
    ]).join('\n');
    expect(text.match(/There is no graph to compare the vectors with/g)).toHaveLength(1);
  });

  it('sends only an assessment to compare the stores: every other command does it next', () => {
    const finding = {
      severity: 'info',
      code: 'counts-differ',
      message: 'The counts differ.',
      action: 'Compare the stores with: lifeboat validate',
    } as const;
    const said = (command: string): string =>
      printed([
        ...opening().flatMap((event) => (event.type === 'run.started' ? [{ ...event, command }] : [])),
        at(1, { type: 'finding', finding }),
      ]).join('\n');
    expect(said('assess')).toContain('The counts differ. -> Compare the stores with: lifeboat validate');
    for (const command of ['repair', 'validate', 'recover']) expect(said(command)).not.toContain('->');
  });

  it('gives each remedy of a check a line', () => {
    const [check] = checks([2]).filter(({ status }) => status === 'fail');
    const fix = 'bring it back: lifeboat validate --fix\nwithout a backup: lifeboat recover rebuild-graph';
    const failed = checks([2]).map((one) => (one.step === check?.step ? { ...one, fix } : one));
    const end = summary({ outcome: 'validation-failed', exitCode: 3, validation: failed });
    const lines = printed([
      ...opening(),
      ...failed.map((one) => at(9, { type: 'check', check: one })),
      at(10, end),
    ]);
    const fixes = lines.filter((line) => /^ +fix /.test(line)).map((line) => line.replace(/^ +fix +/, ''));
    expect(fixes).toEqual(fix.split('\n'));
    expect(lines.filter((line) => (line.match(/lifeboat /g) ?? []).length > 1)).toEqual([
      expect.stringContaining(fix.replace('\n', ' -> ')),
    ]);
  });

  it('names the first records and then points to the file', () => {
    const records = Array.from({ length: 500 }, (_, index) =>
      at(9, { type: 'quarantine', kind: 'memory', id: `m${index}`, reason: 'no content' }),
    );
    const lines = printed(records);
    expect(lines).toHaveLength(6);
    expect(lines[5]).toContain('more records in quarantine');
  });

  it('lets nothing that a store holds reach the terminal as a command', () => {
    const [line] = printed([
      at(9, { type: 'quarantine', kind: 'memory', id: 'm\u001B[2J\n\u0007', reason: 'odd' }),
    ]);
    expect(line).toBe('03:12:13  WARNING in quarantine: memory m\\u001b[2J \\u0007: odd');
  });

  it('ends with the report of a run that went well', () => {
    const text = report(printed(goodRun()));
    expect(text).toContain('ok Recovered. All 5 checks passed.');
    expect(text).toContain('restored  10,000 memories, 10,041 nodes, 24,310 relationships, 0 vectors');
    expect(text).toContain('ok RTO       met: 14s of 5m');
    expect(text).toContain('ok 4 Embedding coverage               10,000 of 10,000');
    expect(text).toContain('salvaged  1 record (null-dropped 1)');
    expect(text).toContain('evidence  /var/lib/lifeboat/runs/run-7f3a/evidence.json');
    expect(text).toContain('NEXT\n  1  Start the service again');
  });

  it('says of a failed check what was expected, what was found, and the fix', () => {
    const failed = checks([2]);
    const end = summary({
      outcome: 'validation-failed',
      exitCode: 3,
      validation: failed,
      quarantined: 2,
      losses: ['relationships made since 2026-11-20 23:00 UTC'],
      rto: { objectiveSeconds: 300, measuredSeconds: 370, met: false },
      rpo: { objectiveSeconds: 300, measuredSeconds: null, met: null },
      files: { quarantine: '/runs/q.ndjson' },
    });
    const text = report(
      printed([...opening(), ...failed.map((check) => at(9, { type: 'check', check })), at(10, end)]),
    );
    expect(text).toContain('FAILED Validation failed: 1 of 5 checks did not pass.');
    expect(text).toContain('expected 10,000 ids on both sides; found 9,998');
    expect(text).toMatch(/fix +lifeboat recover rebuild-graph/);
    expect(text).toContain('NOT BROUGHT BACK\n  relationships made since 2026-11-20 23:00 UTC');
    expect(text).toContain('missed: 6m10, the objective is 5m');
    expect(text).toContain('cannot be told; the objective is 5m');
    expect(text).toContain('Read why 2 records could not be brought back: /runs/q.ndjson');
  });

  it.each([
    ['failed', 4, 'Failed. There is nothing to recover from.'],
    ['interrupted', 130, 'Interrupted. Both stores are as they were.'],
    ['cancelled', 130, 'Cancelled. Nothing was changed.'],
    ['assessed', 0, 'Assessed. Nothing was changed.'],
    ['nothing-to-do', 0, 'Nothing to do. Nothing was changed.'],
    ['validated', 0, 'Validated. All 5 checks passed.'],
    ['recovered-with-losses', 3, 'Recovered, with losses. All 5 checks passed.'],
  ] as const)('says %s in words', (outcome, exitCode, sentence) => {
    const failure = {
      code: 'no-source',
      message: 'There is nothing to recover from.',
      hint: 'Look for older backups.',
    };
    const end = summary({ outcome, exitCode, ...(outcome === 'failed' ? { failure } : {}) });
    const text = report(printed([...opening(), at(10, end)]));
    expect(text).toContain(sentence);
    if (outcome === 'failed') expect(text).toContain('1  Look for older backups.');
    if (outcome === 'interrupted') expect(text).toContain('1  Run the command again when you are ready.');
  });

  it('says what was embedded, how far the stores disagree, and what is kept', () => {
    const text = (end: Partial<Summary>): string => report(printed([...opening(), at(10, summary(end))]));
    const said = text({
      embedded: { vectors: 1204, tokens: 88_120 },
      drift: { before: 12.5, after: 0.04 },
      kept: ['the replaced graph, as "before"'],
    });
    expect(said).toMatch(/embedded +1,204 vectors, 88,120 tokens/);
    expect(said).toMatch(/drift +12\.5% before, <0\.1% after/);
    expect(said).toContain('KEPT FOR ROLLBACK\n  the replaced graph, as "before"');
    expect(text({ embedded: { vectors: 1, tokens: null }, drift: { before: 3, after: null } })).toMatch(
      /embedded +1 vector\n[^]*drift +3% before, not measured after/,
    );
    expect(text({ drift: { before: null, after: null } })).not.toMatch(/embedded|drift|KEPT/);
    expect(text({ command: 'drill', kept: ['the replaced graph'] })).not.toContain('KEPT');
  });

  it('says of a dry run what it would do, and how to do it', () => {
    const read = { step: 'read-vectors', title: 'Read every point from the collection' };
    const steps = OPTIONS[0]?.steps ?? [];
    const skipped = steps
      .slice(2)
      .map(({ id: step, title }) =>
        at(1, { type: 'step.finished', step, title, outcome: 'skipped', seconds: 0, detail: 'dry run' }),
      );
    const text = report(
      printed([
        ...opening(),
        at(1, { type: 'step.finished', ...read, outcome: 'done', seconds: 1, detail: '10,000 points' }),
        ...skipped,
        at(2, summary({ outcome: 'dry-run', validation: [], files: {}, losses: ['2 relationships'] })),
      ]),
    );
    expect(text).toContain('  2  Read every point from the collection: 10,000 points');
    expect(text).toContain(
      'WHAT IT TAKES\n  time      about 9s\n  changes   graph memories (replaced, kept for rollback)',
    );
    expect(text).toContain('WOULD NOT COME BACK\n  2 relationships');
    expect(text).toContain('fresh-start');
    expect(text).toContain('WOULD DO\n  1  Check that the graph server has room for a second copy');
    expect(text).toContain('as they were: lifeboat recover rebuild-graph --confirm memories');
  });
});
