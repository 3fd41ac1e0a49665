import { gzipSync } from 'node:zlib';

import { afterEach, describe, expect, it } from 'vitest';
import { rmSync } from 'node:fs';

import { catalogue } from '../../../src/backup/catalogue.js';
import {
  newestSoundPair,
  type ChooseOptions,
  type PairChoice,
} from '../../../src/backup/pair/choose-pair.js';
import { verifyPair } from '../../../src/backup/pair/verify-pair.js';
import { localArchive } from '../../../src/stores/archive/local-archive.js';
import { folderWith } from '../../support/archive-files.js';
import { changedGraph, changedVectors, graphText, vectorsText } from '../sample.js';

const NOW = new Date('2026-11-22T00:00:00Z');
const STAMPS = ['20261121_030000', '20261120_030000', '20261119_030000'];
const folders: string[] = [];

afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })));

type Halves = Partial<Record<'graph' | 'vectors', Buffer | null>>;

/** Pairs of the runs of STAMPS, newest first; a half that is not given is sound. */
async function choose(
  changed: Halves[],
  options?: ChooseOptions,
): Promise<PairChoice & { verified: number }> {
  const files: Record<string, Buffer> = {};
  for (const [at, timestamp] of STAMPS.entries()) {
    const { graph = changedGraph((half) => (half.timestamp = timestamp)) } = changed[at] ?? {};
    const { vectors = changedVectors((half) => (half.timestamp = timestamp)) } = changed[at] ?? {};
    if (graph !== null) files[`falkordb/falkordb_${timestamp}.json.gz`] = graph;
    if (vectors !== null) files[`qdrant/qdrant_${timestamp}.json.gz`] = vectors;
  }
  const folder = folderWith(files);
  folders.push(folder);
  const archive = localArchive(folder);
  let verified = 0;
  const choice = await newestSoundPair(
    archive,
    await catalogue(archive, NOW),
    (place, pair, mixed) => {
      verified++;
      return verifyPair(place, pair, { excludedTypes: new Set(['MetaPattern']), mixed });
    },
    options,
  );
  return { ...choice, verified };
}

const brokenGraph = gzipSync(graphText().replace('"labels"', 'labels'));
const brokenVectors = gzipSync(vectorsText().replace('"payload"', 'payload'));

describe('newestSoundPair', () => {
  it('takes the newest where it is sound, and reads no other', async () => {
    const { pair, passedOver, verified, mixed, offer } = await choose([]);
    expect([pair?.timestamp, passedOver, verified, mixed, offer]).toEqual([STAMPS[0], [], 1, null, null]);
  });

  it('falls back past broken records inside sound gzip, and says why', async () => {
    const told: string[] = [];
    const { pair, passedOver, verification } = await choose(
      [{ graph: brokenGraph, vectors: brokenVectors }, { graph: null }],
      {
        onPassedOver: ({ timestamp }) => told.push(timestamp),
      },
    );
    expect(pair?.timestamp).toBe(STAMPS[2]);
    expect(verification?.sound).toBe(true);
    expect(passedOver.map(({ timestamp }) => timestamp)).toEqual(STAMPS.slice(0, 2));
    expect(passedOver[0]?.reasons.join()).toMatch(
      /falkordb_20261121_030000.*expected a key.*qdrant_20261121_030000.*expected a key/,
    );
    expect(passedOver[1]?.reasons).toEqual(['the graph half is missing']);
    expect(told).toEqual(STAMPS.slice(0, 2));
  });

  it('only offers to put halves of two runs together', async () => {
    const { pair, mixed, offer } = await choose([{ vectors: brokenVectors }]);
    expect([pair?.timestamp, mixed]).toEqual([STAMPS[1], null]);
    expect(offer).toMatchObject({ graph: STAMPS[0], vectors: STAMPS[1] });
  });

  it('puts them together where it is told to, and says so', async () => {
    const { pair, mixed, offer, verification } = await choose([{ vectors: brokenVectors }], {
      allowMixed: true,
    });
    expect(pair?.graph?.path).toContain(STAMPS[0]);
    expect(pair?.vectors?.path).toContain(STAMPS[1]);
    expect(pair?.timestamp).toBe(STAMPS[1]);
    expect(offer).toBeNull();
    expect(mixed?.warning).toMatch(/graph is of the backup 20261121_030000.*vectors are of 20261120_030000/);
    expect(verification?.problems.map(({ code }) => code)).toEqual(['different-runs']);
  });

  it('finds the halves where no run is whole', async () => {
    const changed = [{ vectors: null }, { graph: brokenGraph }, { vectors: null }];
    const { pair, offer, passedOver } = await choose(changed);
    expect([pair, passedOver.length]).toEqual([null, 3]);
    expect(offer).toMatchObject({ graph: STAMPS[0], vectors: STAMPS[1] });
    expect((await choose(changed, { allowMixed: true })).pair?.timestamp).toBe(STAMPS[1]);
  });

  it('does not take halves that have nothing in common, allowed or not', async () => {
    const foreign = changedVectors((half) => {
      half.timestamp = STAMPS[1] ?? '';
      half.points.forEach((point, at) => (point.id = at));
    });
    const changed = [{ vectors: null }, { graph: null, vectors: foreign }, {}];
    const { pair, mixed, passedOver } = await choose(changed, { allowMixed: true });
    expect([pair?.timestamp, mixed]).toEqual([STAMPS[2], null]);
    expect(passedOver.at(-1)?.reasons.join()).toContain('do not belong together');
  });

  it('finds nothing where nothing is', async () => {
    const nothing = { graph: null, vectors: null };
    expect(await choose([nothing, nothing, nothing])).toMatchObject({
      pair: null,
      offer: null,
      passedOver: [],
    });
  });
});
