import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { benchBackup } from './backup.js';
import { benchDrift } from './drift.js';
import { benchRebuildGraph } from './rebuild-graph.js';
import { benchRepair } from './repair.js';
import { benchRestore } from './restore.js';
import { benchReembed } from './reembed.js';
import type { BenchRow } from './row.js';
import { benchVerify } from './verify.js';

const BENCHES: Record<
  string,
  (options: { memories: number[]; dim: number; rounds: number }) => Promise<BenchRow[]>
> = {
  backup: benchBackup,
  drift: benchDrift,
  'rebuild-graph': benchRebuildGraph,
  reembed: benchReembed,
  repair: benchRepair,
  restore: benchRestore,
  verify: benchVerify,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    memories: { type: 'string', default: '10000,100000' },
    dim: { type: 'string', default: '768' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
});

const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0) {
  process.stderr.write(
    `There is no bench ${unknown.join(', ')}. There are: ${Object.keys(BENCHES).join(', ')}.\n`,
  );
  process.exit(2);
}

const options = {
  memories: values.memories.split(',').map(Number),
  dim: Number(values.dim),
  rounds: Number(values.rounds),
};
const rows: BenchRow[] = [];
for (const name of names) rows.push(...((await BENCHES[name]?.(options)) ?? []));

process.stdout.write(table(rows));
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(rows, null, 2)}\n`);

function table(results: BenchRow[]): string {
  const header = ['bench', 'memories', 'dim', 'floor s', 'lifeboat s', 'ratio', 'peak RSS MB'];
  const cells = results.map((row) => [
    row.name,
    row.memories.toLocaleString('en'),
    String(row.dim),
    row.floorSeconds.toFixed(2),
    row.seconds.toFixed(2),
    row.ratio.toFixed(2),
    row.peakRssMb.toFixed(0),
  ]);
  const lines = [header, ...cells];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  return lines
    .map((line) => `${line.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  ')}\n`)
    .join('');
}
