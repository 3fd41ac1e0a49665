import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';

import type { Archive, ArchiveEntry } from '../../src/stores/archive/archive.js';

/** A new folder with these files, path → content. The test removes it. */
export function folderWith(files: Readonly<Record<string, Buffer | string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'lifeboat-test-'));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

/** An archive in memory, whose streams come in chunks of a given size. */
export function memoryArchive(files: Readonly<Record<string, Buffer>>, chunkSize = 65_536): Archive {
  return {
    place: 'memory',
    list: () =>
      Promise.resolve(
        Object.entries(files).map(([path, { length }]): ArchiveEntry => ({
          path,
          bytes: length,
          modified: new Date(0).toISOString(),
        })),
      ),
    open: (path, range) => {
      const content = files[path];
      if (content === undefined) return Promise.reject(new Error(`no file ${path}`));
      const start = range?.start ?? 0;
      const part = content.subarray(start, range?.length === undefined ? undefined : start + range.length);
      const chunks: Buffer[] = [];
      for (let at = 0; at < part.length; at += chunkSize) chunks.push(part.subarray(at, at + chunkSize));
      return Promise.resolve(Readable.from(chunks, { objectMode: false }));
    },
  };
}

/** A graph half as AutoMem writes it, gzipped. */
export function graphHalf(): Buffer {
  const nodes = [{ id: 0, labels: ['Memory'], properties: { id: 'a', content: 'é', metadata: '{}' } }];
  const stats = { node_count: 1, relationship_count: 0 };
  return gzipSync(
    JSON.stringify({ timestamp: 'x', graph_name: 'memories', nodes, relationships: [], stats }, null, 2),
  );
}
