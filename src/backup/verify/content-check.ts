import { isMap, numeric, type ValueMap } from '../../memory/values.js';
import type { HalfContents } from '../content/contents.js';
import type { Manifest } from '../manifest.js';
import { ProblemList, type Half, type PairProblem } from '../pair/pair-problems.js';

/** Holds what was read against what the manifest says was written. @returns problems, all of them fatal */
export function compareContent(manifest: Manifest, read: Record<Half, HalfContents | null>): PairProblem[] {
  const problems: PairProblem[] = [];
  for (const half of ['graph', 'vectors'] as const) {
    const contents = read[half];
    const facts = manifest.body[half];
    if (contents === null || !isMap(facts)) continue;
    const list = new ProblemList(half);
    compareCounts(list, contents, facts);
    compareDigest(list, half, contents.digest, manifest);
    problems.push(...list.all());
  }
  return problems;
}

const TABLES: Record<string, string> = {
  by_label: 'nodes with the label',
  by_relationship: 'relationships of the type',
  by_type: 'of the type',
  by_size: 'points with so many components:',
};

function compareCounts(problems: ProblemList, { totals, tables }: HalfContents, facts: ValueMap): void {
  for (const [name, found] of Object.entries(totals)) {
    const said = numeric(facts[name]);
    if (said !== null && said !== found)
      problems.fatal(`manifest-${name}`, `the manifest says ${said} ${name}, and there are ${found}`);
  }
  for (const [name, found] of Object.entries(tables)) {
    const said = facts[name];
    if (!isMap(said)) continue;
    for (const key of new Set([...Object.keys(said), ...Object.keys(found)])) {
      const [expected, actual] = [numeric(said[key]) ?? 0, Object.hasOwn(found, key) ? found[key] : 0];
      if (expected === actual) continue;
      const reason = `the manifest says ${expected}, and there are ${actual ?? 0}`;
      problems.record(
        'fatal',
        `manifest-${name.replace('_', '-')}`,
        'counts that are not the manifest’s',
        `${TABLES[name] ?? name} ${JSON.stringify(key)}`,
        reason,
      );
    }
  }
}

function compareDigest(problems: ProblemList, half: Half, digest: string, manifest: Manifest): void {
  const said = digestOf(manifest, half);
  if (said === null || said === digest) return;
  problems.fatal(
    'manifest-digest',
    `the records of the ${half === 'graph' ? 'graph' : 'vector'} half are not those that its manifest was written for: their digest is another one`,
  );
}

/** The digest that the manifest gives of a half. */
function digestOf({ files }: Manifest, half: Half): string | null {
  const folder = half === 'graph' ? 'falkordb/' : 'qdrant/';
  for (const [path, { digest }] of files) if (path.startsWith(folder)) return digest;
  return null;
}
