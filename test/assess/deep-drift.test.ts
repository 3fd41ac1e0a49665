import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { assess, type AssessOptions } from '../../src/assess/assess.js';
import { deepFindings } from '../../src/assess/deep-drift.js';
import type { Assessment, Finding } from '../../src/assess/types.js';
import { DRIFT_CLASSES, type DriftReport } from '../../src/drift/types.js';
import { driftLines } from '../../src/report/drift-lines.js';
import { startProxy, type Proxy } from '../support/proxy.js';
import { GRAPH, Lab, payloadOf } from '../support/lab.js';

const LIMITS = { warningPercent: 5, problemPercent: 50 };

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 100 });
  await lab.keep();
});

afterAll(() => lab.stop());

beforeEach(() => lab.reset());

async function look(options: Partial<AssessOptions> = {}): Promise<Assessment> {
  const { assessment } = await assess({
    graph: { address: lab.engines.graph, name: GRAPH },
    vectors: { address: { ...lab.engines.vectors, timeoutMs: 10_000 }, name: GRAPH },
    archives: [],
    excludedTypes: ['MetaPattern'],
    backupDepth: 'sound',
    deep: 'always',
    ...options,
  });
  return assessment;
}

const codes = ({ findings }: Pick<Assessment, 'findings'>): string[] => findings.map(({ code }) => code);

const find = ({ findings }: Assessment, code: string): Finding => {
  const found = findings.find((finding) => finding.code === code);
  if (found === undefined)
    throw new Error(`no finding ${code} among ${findings.map((one) => one.code).join(', ')}`);
  return found;
};

describe('a deep assessment', () => {
  it('compares only when it is asked to, and finds nothing where the stores agree', async () => {
    expect((await look({ deep: 'never' })).drift).toBeNull();
    const assessment = await look();
    expect(assessment.drift).toMatchObject({ depth: 'content', percent: 0 });
    expect(codes(assessment)).not.toContain('drift');
  });

  it('sees drift behind equal counts, and says so', async () => {
    const [row] = await lab.query(
      "MATCH (m:Memory) WHERE m.type <> 'MetaPattern' AND m.content <> '' RETURN m.id, m.content",
    );
    await lab.removePoints([String(row?.[0])]);
    await lab.upsert([{ id: '0a000000-0000-4000-8000-000000000001', payload: payloadOf('an orphan') }]);
    const plain = await look({ deep: 'never' });
    const { eligible } = (await look()).drift ?? { eligible: 0 };
    expect(plain.graph.state).toBe('intact');
    const assessment = await look();
    const finding = find(assessment, 'drift');
    expect(finding).toMatchObject({
      severity: 'info',
      action: expect.stringContaining('lifeboat repair') as string,
    });
    expect(finding.message).toContain(`${(200 / (eligible + 1)).toFixed(1)} % of the memories`);
    expect(finding.message).toContain('1 memories without a vector, 1 points without a memory');
    // One count says all that is to be said.
    expect(codes(assessment)).not.toContain('counts-differ');
  });

  it.each([
    ['drift-20', 'warning'],
    ['drift-60', 'problem'],
  ] as const)('weighs what it finds: %s is a %s', async (damage, severity) => {
    await lab.damage(damage);
    expect(find(await look(), 'drift').severity).toBe(severity);
  });

  it('takes its limits and the size from the settings', async () => {
    await lab.upsert([{ id: '0a000000-0000-4000-8000-000000000001', payload: payloadOf('an orphan') }]);
    const driftLimits = { warningPercent: 0.1, problemPercent: 0.5 };
    expect(find(await look({ driftLimits }), 'drift').severity).toBe('problem');
    expect(find(await look({ expectedSize: 768 }), 'wrong-vector-size').severity).toBe('problem');
  });

  it('compares nothing where a store is lost, and says where a comparison broke off', async () => {
    await lab.damage('graph-lost');
    expect((await look()).drift).toBeNull();
    await lab.reset();
    const proxy: Proxy = await startProxy(lab.engines.graph);
    // The first connection is the plain assessment's.
    proxy.when(/toJSON/, () => {
      proxy.cut();
      return Promise.resolve();
    });
    const assessment = await look({
      graph: { address: { host: proxy.host, port: proxy.port }, name: GRAPH },
    });
    expect(assessment.drift).toBeNull();
    expect(find(assessment, 'drift-unknown')).toMatchObject({
      severity: 'problem',
      message: expect.stringContaining('the connection broke') as string,
    });
    await proxy.stop();
  });
});

describe('the words for a comparison', () => {
  const counts = Object.fromEntries(DRIFT_CLASSES.map((name, i) => [name, i + 1])) as DriftReport['counts'];
  const report: DriftReport = {
    takenAt: '2026-11-21T03:12:05.000Z',
    depth: 'content',
    memories: 40,
    points: 38,
    eligible: 35,
    counts,
    percent: 0.01,
    automem: { memories: 38, points: 38, percent: 0 },
    staleFields: { tags: 4 },
    examples: { 'stale-payload': [{ id: 'a', fields: ['tags', 'type'] }], same: [{ id: 'z' }] },
    seconds: 1,
  };

  it('name every class that calls for something', () => {
    const findings = deepFindings(report, LIMITS);
    expect(codes({ findings })).toEqual([
      'drift',
      'duplicate-ids',
      'placeholder-vectors',
      'wrong-vector-size',
      'drift-pending',
    ]);
    expect(findings[0]?.message).toMatch(/less than 0\.1 %.*counts are equal/);
    expect(findings.every(({ action }) => action !== undefined)).toBe(true);
  });

  it('make a table with every class that has any', () => {
    const lines = driftLines(report);
    expect(lines).toHaveLength(1 + DRIFT_CLASSES.length);
    expect(lines.find(({ label }) => label === 'payload differs')?.text).toBe('4: a in tags, type; …');
    expect(lines.find(({ label }) => label === 'in both, alike')?.text).toBe('1');
    expect(driftLines(null)).toEqual([]);
    const none = { ...counts, 'stale-payload': 0 };
    expect(driftLines({ ...report, counts: none })).toHaveLength(DRIFT_CLASSES.length);
  });
});
