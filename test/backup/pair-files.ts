import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { sealManifest } from '../../src/backup/create/write-manifest.js';
import { besidePath, halfPath, timestampOf } from '../../src/backup/layout.js';
import type { NotedFile, VerifiedResult, VerifyLevel } from '../../src/backup/verify/verified-notes.js';
import { versionOf } from '../../src/stores/archive/archive.js';

export interface PairSpec {
  base?: string;
  only?: 'graph' | 'vectors';
  /** One half is left out, though the manifest names it. */
  without?: 'graph' | 'vectors';
  manifest?: boolean;
  encrypted?: boolean;
  verified?: { level: VerifyLevel; ok: boolean; at?: string };
  pinned?: string;
  /** Its manifest says that it was salvaged, and lost a node. */
  salvaged?: true;
  /** Another content, and so other checksums. */
  seed?: string;
}

/** A timestamp so many hours before a time. */
export function hoursBefore(now: Date, hours: number): string {
  return timestampOf(new Date(now.getTime() - hours * 3_600_000));
}

/** The files of one small pair with its manifest and notes, path → content. */
export function pairFiles(timestamp: string, spec: PairSpec = {}): Record<string, Buffer> {
  const { base = '', only, without, seed = '' } = spec;
  const files: Record<string, Buffer> = {};
  const described: Record<string, object> = {};
  const facts: Record<string, NotedFile> = {};
  for (const half of ['graph', 'vectors'] as const) {
    if (only !== undefined && only !== half) continue;
    const path = halfPath(half, timestamp) + (spec.encrypted === true ? '.age' : '');
    const content = gzipSync(`{"timestamp":"${timestamp}","half":"${half}","seed":"${seed}"}`);
    const sha256 = createHash('sha256').update(content).digest('hex');
    described[path] = { bytes: content.length, sha256, encryption: spec.encrypted === true ? 'age' : null };
    if (without === half) continue;
    files[base + path] = content;
    // The version is what a bucket tells; see notesAsSeen for folders.
    facts[path] = {
      ...{ bytes: content.length, sha256 },
      version: createHash('md5').update(content).digest('hex'),
    };
  }
  const body = {
    format: 'lifeboat-backup',
    version: 1,
    timestamp,
    only: only ?? null,
    graph: only === 'vectors' ? null : { name: 'memories', nodes: 130, memories: 120, relationships: 45 },
    vectors: only === 'graph' ? null : { collection: 'memories', points: 118 },
    files: described,
    ...(spec.salvaged === true ? { salvaged_from: { timestamp, lost: { nodes: 1 }, halves_lost: [] } } : {}),
  };
  if (spec.manifest !== false)
    files[base + besidePath('manifest', timestamp)] = Buffer.from(sealManifest(body));
  if (spec.verified !== undefined) {
    const { level, ok, at = '2026-01-01T00:00:00.000Z' } = spec.verified;
    const result = { at, level, ok, problems: ok ? 0 : 2, tool: 'lifeboat 0.0.0', files: facts };
    const note = { timestamp, results: [result] };
    files[base + besidePath('verified', timestamp)] = Buffer.from(JSON.stringify(note));
  }
  if (spec.pinned !== undefined)
    files[base + besidePath('pinned', timestamp)] = Buffer.from(
      JSON.stringify({ at: '2026-01-01T00:00:00Z', by: 'ada@host', reason: spec.pinned }),
    );
  return files;
}

/** Has the notes in a folder tell of its files as they lie there now, as a verification of them would have. */
export function notesAsSeen(root: string): void {
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.verified.json')) continue;
    const notes = JSON.parse(readFileSync(join(root, name), 'utf8')) as { results: VerifiedResult[] };
    for (const { files } of notes.results)
      for (const [path, facts] of Object.entries(files)) {
        const { size, mtime, ctime } = statSync(join(root, dirname(name), path));
        Object.assign(facts, { version: versionOf(size, mtime), changed: ctime.toISOString() });
      }
    writeFileSync(join(root, name), JSON.stringify(notes));
  }
}
