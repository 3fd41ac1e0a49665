import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runFolderFailure } from '../../recovery/run-directory.js';
import { idJson } from '../../stores/vectors/point-json.js';
import { rawPoints, type RawPoint } from '../../stores/vectors/point-pages.js';

/**
 * Points that came to the collection while a rollback was at work, one JSON line each, in the folder of the run: there they
 * are safe before the collection is replaced.
 */
export class NewerPointsFile {
  readonly path: string;

  constructor(folder: string) {
    this.path = join(folder, 'newer-points.ndjson');
  }

  /** What a rollback that was stopped put here. A line without an end is left out: its point was not replaced. */
  async load(): Promise<RawPoint[]> {
    try {
      const text = await readFile(this.path, 'utf8');
      const lines = text.slice(0, Math.max(0, text.lastIndexOf('\n'))).replaceAll('\n', ',');
      return rawPoints(`{"points":[${lines}]}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw runFolderFailure(this.path, error);
    }
  }

  /** On the disk when this returns. @throws Failure where it cannot be written */
  async append(points: readonly RawPoint[]): Promise<void> {
    if (points.length === 0) return;
    try {
      const file = await open(this.path, 'a', 0o600);
      try {
        for (const { id, vector, payload } of points)
          await file.write(`{"id":${idJson(id)},"vector":${vector},"payload":${payload}}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      throw runFolderFailure(this.path, error);
    }
  }
}
