import { afterAll, beforeAll, expect, it } from 'vitest';

import { officialImage } from '../support/engines.js';
import { Lab } from '../support/lab.js';

/** More than the 10,000 rows at which FalkorDB's own image cuts every result without a word. */
const MEMORIES = 10_400;

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start({ moduleArgs: officialImage });
  await lab.fill({ memories: MEMORIES });
});

afterAll(() => lab.stop());

it('recovers and validates completely behind a result cap and a query limit of one second', async () => {
  expect(await lab.query('MATCH (m:Memory) RETURN id(m)')).toHaveLength(10_000);
  const before = await lab.snapshot();
  // One of the busiest nodes has more relationships than a page holds.
  await lab.query('MATCH (m:Memory) WITH m LIMIT 200 DETACH DELETE m');
  const drifted = await lab.run(['validate', '--json']);
  expect(drifted.exitCode).toBe(3);
  expect(drifted.summary.validation[1]?.actual).toMatch(
    /200 points without a memory|19\d points without a memory/,
  );
  // Everything that the live graph still holds is read behind the cap too.
  const run = await lab.recover(['rebuild-graph']);
  expect(run.summary).toMatchObject({ outcome: 'recovered', exitCode: 0, quarantined: 0 });
  expect(await lab.differences(before)).toEqual([]);
  await before.close();
});
