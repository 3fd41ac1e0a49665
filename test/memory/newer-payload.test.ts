import { describe, expect, it } from 'vitest';

import { damageInGraph } from '../../src/memory/graph-damage.js';
import { graphDecides, isUndecided, newerInPayload } from '../../src/memory/newer-payload.js';
import { double, type ValueMap } from '../../src/memory/values.js';

const MADE = '2026-11-01T10:00:00+00:00';
const LATER = '2026-11-05T10:00:00+00:00';
const EARLIER = '2026-10-01T10:00:00+00:00';

const PAYLOAD: ValueMap = {
  content: 'newer text',
  tags: ['lab'],
  importance: 0.8,
  timestamp: MADE,
  type: 'Decision',
  confidence: double(1),
  metadata: {},
  updated_at: LATER,
};
const NODE: ValueMap = { ...PAYLOAD, content: 'old text', metadata: '{}', updated_at: MADE };

/** Who has the last word. */
function word(node: ValueMap, payload: ValueMap): 'graph' | 'payload' | 'nobody' {
  const [ours, theirs] = [
    { ...NODE, ...node },
    { ...PAYLOAD, ...payload },
  ];
  const newer = newerInPayload(ours, theirs);
  expect(graphDecides(ours, theirs)).toBe(newer === null && !isUndecided(ours, theirs));
  if (newer !== null) return 'payload';
  return isUndecided(ours, theirs) ? 'nobody' : 'graph';
}

describe('of a node and a payload that say something else', () => {
  it.each<[string, ValueMap, ValueMap, string]>([
    ['the later one decides', {}, {}, 'payload'],
    ['a payload of the same time does not decide', { updated_at: LATER }, {}, 'graph'],
    ['a payload without a time does not decide', { updated_at: null }, { updated_at: null }, 'graph'],
    ['a payload with no time for one does not', { updated_at: null }, { updated_at: 'today' }, 'graph'],
    ['a node that lost its time counts from when it was made', { updated_at: null }, {}, 'payload'],
    ['a node whose time is none, too', { updated_at: 'yesterday' }, {}, 'payload'],
    ['a node that was made after the payload decides', { updated_at: '' }, { updated_at: EARLIER }, 'graph'],
    ['nobody decides in the same moment', { updated_at: null }, { updated_at: MADE }, 'nobody'],
    ['nobody decides without any time', { updated_at: null, timestamp: 'x' }, {}, 'nobody'],
    [
      'the nightly decay alone says nothing',
      { updated_at: null, content: 'newer text', relevance_score: 0.1 },
      { relevance_score: 0.9 },
      'graph',
    ],
  ])('%s', (_, node, payload, who) => {
    expect(word(node, payload)).toBe(who);
  });

  it('the time comes with what belongs to it', () => {
    expect(newerInPayload({ ...NODE, updated_at: null }, PAYLOAD)?.set).toMatchObject({
      content: 'newer text',
      updated_at: LATER,
    });
  });
});

describe('a time of change that is damaged', () => {
  it.each([null, '', 'yesterday', '12'])('%j is mended where nothing else differs', (updated_at) => {
    const node = { ...NODE, content: PAYLOAD['content'] ?? null, updated_at };
    expect(damageInGraph(node, PAYLOAD)?.set).toEqual({ updated_at: LATER });
  });

  it.each([null, 'yesterday'])('%j is not given to another text', (updated_at) => {
    expect(damageInGraph({ ...NODE, updated_at }, PAYLOAD)).toBeNull();
    // What is damaged besides is mended all the same.
    expect(damageInGraph({ ...NODE, updated_at, type: 'str' }, PAYLOAD)?.set).toEqual({ type: 'Decision' });
  });
});
