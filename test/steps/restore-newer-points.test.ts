import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { GRAPH, Lab } from '../support/lab.js';

let lab: Lab;
/** Ordinary memories with points. */
let ids: string[];

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 60 });
  await lab.keep();
  const stored = await lab.points();
  const rows = await lab.query("MATCH (m:Memory) WHERE m.type = 'Decision' RETURN m.id ORDER BY m.id");
  ids = rows.map(([id]) => String(id)).filter((id) => stored.includes(id));
});

afterAll(() => lab.stop());

beforeEach(() => lab.reset());

interface Point {
  id: string;
  vector: number[];
  payload: Record<string, unknown>;
}
const pointOf = async (id: string): Promise<Point | undefined> =>
  (JSON.parse(await lab.points()) as Point[]).find((point) => point.id === id);

async function setPayload(id: string, payload: Record<string, unknown>): Promise<void> {
  await lab.qdrant('POST', `/collections/${GRAPH}/points/payload?wait=true`, { payload, points: [id] });
}

describe('a point that was edited, and no time says which is the newer', () => {
  it.each([
    ['a time that is none', { content: 'edited', updated_at: 'soon' }],
    ['a number for a time', { content: 'edited', updated_at: 1_763_761_000 }],
    ['other tags at the same time', { tags: ['edited'] }],
    ['other metadata at the same time', { metadata: { note: 'edited' } }],
    ['another content at the same time', { content: 'edited' }],
  ])('%s: its payload goes aside before it is overwritten', async (_, change) => {
    const [id = ''] = ids;
    const before = await pointOf(id);
    await lab.damage('graph-lost');
    await setPayload(id, change);
    const run = await lab.recover(['restore-backup']);
    expect(run.exitCode).toBe(3);
    expect(run.records('quarantine')).toEqual([
      expect.objectContaining({
        kind: 'memory',
        id,
        reason: expect.stringContaining('no time says which is the newer') as string,
        record: { id, payload: { ...before?.payload, ...change } },
      }),
    ]);
    expect(run.summary.losses.join()).toContain('1 points differ from the backup where no time says');
    expect(await pointOf(id)).toEqual(before);
  });

  it('a time that is missing: the same', async () => {
    const [id = ''] = ids;
    await lab.damage('graph-lost');
    await setPayload(id, { content: 'edited' });
    await lab.qdrant('POST', `/collections/${GRAPH}/points/payload/delete?wait=true`, {
      keys: ['updated_at'],
      points: [id],
    });
    const run = await lab.recover(['restore-backup']);
    expect([run.exitCode, run.records('quarantine').map((record) => record['id'])]).toEqual([3, [id]]);
  });

  it('that only lost fields, or decayed, is simply restored', async () => {
    const [id = '', other = ''] = ids;
    await lab.damage('graph-lost');
    await lab.qdrant('POST', `/collections/${GRAPH}/points/payload/delete?wait=true`, {
      keys: ['updated_at', 'content', 'tags'],
      points: [id],
    });
    await setPayload(other, { relevance_score: 0.0123 });
    const run = await lab.recover(['restore-backup']);
    expect(run.summary).toMatchObject({ quarantined: 0, losses: [] });
  });
});

describe('--merge', () => {
  it('changes no point that is there, and says which differ from the graph', async () => {
    const [edited = '', retagged = '', gone = '', kept = ''] = ids;
    await lab.damage('graph-lost');
    const edit = { content: 'edited', updated_at: '2026-11-20T10:00:00+00:00' };
    await setPayload(edited, edit);
    await setPayload(retagged, { tags: ['edited'] });
    await lab.removePoints([gone]);
    const before = await Promise.all([edited, retagged, kept].map(pointOf));
    const run = await lab.recover(['restore-backup', '--merge']);
    expect(await Promise.all([edited, retagged, kept].map(pointOf))).toEqual(before);
    expect(await pointOf(gone)).toBeDefined();
    expect(run.exitCode).toBe(3);
    expect(run.records('quarantine').map(({ id }) => id)).toEqual(expect.arrayContaining([edited, retagged]));
    expect(run.summary.quarantined).toBe(2);
    expect(run.summary.losses.join()).toMatch(/2 memories differ between graph and payload.*--merge/);
  });
});
