import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/recovery/events.js';
import { ndjsonView, RUN_EVENT_TYPES } from '../../src/report/ndjson.js';
import { at, ASSESSMENT, EQUAL, goodRun, OPTIONS, summary } from './fixtures.js';

const DOC = readFileSync(new URL('../../docs/json-output.md', import.meta.url), 'utf8');

/** One of every event whose fields are objects or lists; the others are in the run. */
const SAMPLES: RunEvent[] = [
  ...goodRun(),
  { type: 'quarantine', kind: 'memory', id: 'm', reason: 'r' },
  { type: 'notice', message: 'm' },
  { type: 'fix.offered', mends: ['retry'], round: 1 },
  { type: 'fix.started', mends: ['retry'], round: 1 },
  { type: 'resumed', run: 'r', after: null },
  { type: 'stopping', message: 'm' },
  { type: 'failure', code: 'c', message: 'm', hint: 'h', exitCode: 1 },
  { type: 'comparison', comparison: EQUAL },
  summary({ failure: { code: 'c', message: 'm', hint: 'h' }, comparison: EQUAL }),
  {
    type: 'check',
    check: {
      step: 1,
      name: 'n',
      status: 'fail',
      expected: 'e',
      actual: 'a',
      fix: 'f',
      mend: 'retry',
      provesData: true,
    },
  },
];

describe('NDJSON', () => {
  it('prints each event with its time, and the summary last, exactly', () => {
    const lines: string[] = [];
    const view = ndjsonView((line) => lines.push(line));
    for (const event of goodRun()) view(event);
    view(at(20, { type: 'notice', message: 'too late' }));
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events).toHaveLength(goodRun().length);
    for (const event of events.slice(0, -1)) expect(Object.keys(event).slice(0, 2)).toEqual(['type', 'time']);
    expect(events.at(-1)).toEqual(summary({ salvaged: 1 }));
  });

  it('keeps hard strings on their line', () => {
    const lines: string[] = [];
    ndjsonView((line) => lines.push(line))(
      at(0, { type: 'notice', message: 'a\n\u001B\u2028\u{1F6DF}\uD800' }),
    );
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toMatch(/\p{Cc}/u);
    expect((JSON.parse(lines[0] ?? '') as { message: string }).message).toBe(
      'a\n\u001B\u2028\u{1F6DF}\uD800',
    );
  });
});

describe('docs/json-output.md', () => {
  const sections = DOC.split(/^### /m).slice(1);
  const named = sections.map((section) => /^`([^`]+)`/.exec(section)?.[1] ?? '');

  it('lists every event and no other', () => {
    expect([...named].sort()).toEqual([...RUN_EVENT_TYPES].sort());
  });

  it('has an example of each, of its type', () => {
    for (const [index, section] of sections.entries()) {
      const example = /```json\n([^`]+)\n```/.exec(section)?.[1] ?? '';
      expect(JSON.parse(example), named[index]).toMatchObject({ type: named[index] });
    }
  });

  it('names every field that an event has', () => {
    expect(new Set(SAMPLES.map((event) => event.type))).toEqual(new Set(RUN_EVENT_TYPES));
    for (const sample of SAMPLES) {
      const section = sections[named.indexOf(sample.type)] ?? '';
      for (const field of Object.keys(sample).filter((key) => key !== 'type' && key !== 'time')) {
        // A field that is an object is named by its own fields: `finding.code`.
        expect(section, `${sample.type}.${field}`).toMatch(new RegExp('^\\| `' + field + '[.`[]', 'm'));
      }
    }
  });

  it('names every field of an assessment, a plan and a check', () => {
    const check = checkSample();
    const fields = [
      ASSESSMENT.graph,
      ASSESSMENT.vectors,
      ASSESSMENT.backups,
      OPTIONS[0] ?? {},
      check,
    ].flatMap(Object.keys);
    for (const field of fields) expect(DOC, field).toMatch(new RegExp('[`.]' + field + '`'));
  });
});

function checkSample(): object {
  const sample = SAMPLES.findLast((event) => event.type === 'check');
  return sample?.type === 'check' ? sample.check : {};
}
