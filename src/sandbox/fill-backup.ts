import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { ExitCode, Failure } from '../failure.js';
import type { GraphNode, GraphRelationship } from '../memory/values.js';
import { pythonFloat, pythonJson, pythonString } from './population/python-json.js';
import type { PopulationPoint } from './population/population.js';

/** Characters gathered before they go to the compressor. */
const CHUNK = 64 * 1024;

/**
 * One file of AutoMem's backup format, written piece by piece: gzip, JSON as Python writes it with `indent=2`,
 * ASCII only, no line end after the last brace. It appears under its name when it is whole.
 * Source: automem/backup.py; compared with files that AutoMem 0.16.1 wrote.
 */
class BackupFile {
  readonly #gzip = createGzip({ level: 2 });
  readonly #file: WriteStream;
  readonly #done: Promise<void>;
  readonly #partial: string;
  #text = '';
  #first = true;

  constructor(readonly path: string) {
    this.#partial = `${path}.partial`;
    this.#file = createWriteStream(this.#partial);
    this.#done = finished(this.#gzip.pipe(this.#file));
    this.#file.on('error', (error) => this.#gzip.destroy(error));
    this.#done.catch(() => undefined);
  }

  async write(text: string): Promise<void> {
    this.#text += text;
    if (this.#text.length < CHUNK) return;
    const chunk = this.#text;
    this.#text = '';
    if (!this.#gzip.write(chunk, 'latin1')) await Promise.race([once(this.#gzip, 'drain'), this.#done]);
  }

  async openList(name: string): Promise<void> {
    this.#first = true;
    await this.write(`,\n  "${name}": [`);
  }
  async item(text: string): Promise<void> {
    await this.write(`${this.#first ? '' : ','}\n    ${text}`);
    this.#first = false;
  }
  async closeList(): Promise<void> {
    await this.write(this.#first ? ']' : '\n  ]');
  }

  async finish(): Promise<void> {
    this.#gzip.end(this.#text, 'latin1');
    await this.#done;
    await rename(this.#partial, this.path);
  }

  async abandon(): Promise<void> {
    this.#gzip.destroy();
    // The end of the one is not the end of the other: a pipe does not pass it on.
    this.#file.destroy();
    await this.#done.catch(() => undefined);
    await rm(this.#partial, { force: true });
  }
}

/** Paths of the two halves of a backup pair. */
export interface BackupPair {
  graph: string;
  vectors: string;
}

/** Where the two halves of a backup pair lie. */
export function backupPaths(dir: string, stamp: string): BackupPair {
  return {
    graph: join(dir, 'falkordb', `falkordb_${stamp}.json.gz`),
    vectors: join(dir, 'qdrant', `qdrant_${stamp}.json.gz`),
  };
}

/** The graph half: all nodes, then all relationships, then `finish`. */
export class GraphBackup {
  #nodes = 0;
  #relationships = 0;
  private constructor(private readonly file: BackupFile) {}

  /** @param stamp `YYYYMMDD_HHMMSS`. @throws Failure when the folder cannot be made. */
  static async create(path: string, stamp: string, graph: string): Promise<GraphBackup> {
    const file = await newFile(path);
    await file.write(`{\n  "timestamp": "${stamp}",\n  "graph_name": ${pythonString(graph)}`);
    await file.openList('nodes');
    return new GraphBackup(file);
  }

  async node({ internalId, labels, properties }: GraphNode): Promise<void> {
    this.#nodes++;
    await this.file.item(pythonJson({ id: internalId, labels, properties }, 2, 2));
  }

  async relationship({ source, type, target, properties }: GraphRelationship): Promise<void> {
    if (this.#relationships++ === 0) await this.#startRelationships();
    await this.file.item(pythonJson({ source_id: source, type, target_id: target, properties }, 2, 2));
  }

  async #startRelationships(): Promise<void> {
    await this.file.closeList();
    await this.file.openList('relationships');
  }

  async finish(): Promise<void> {
    if (this.#relationships === 0) await this.#startRelationships();
    await this.file.closeList();
    const stats = { node_count: this.#nodes, relationship_count: this.#relationships };
    await this.file.write(`,\n  "stats": ${pythonJson(stats, 2, 1)}\n}`);
    await this.file.finish();
  }

  abandon(): Promise<void> {
    return this.file.abandon();
  }
}

/** The vector half: all points, then `finish`. */
export class VectorBackup {
  #points = 0;
  private constructor(
    private readonly file: BackupFile,
    private readonly dim: number,
  ) {}

  /** @param stamp `YYYYMMDD_HHMMSS`. @throws Failure when the folder cannot be made. */
  static async create(path: string, stamp: string, collection: string, dim: number): Promise<VectorBackup> {
    const file = await newFile(path);
    await file.write(`{\n  "timestamp": "${stamp}",\n  "collection_name": ${pythonString(collection)}`);
    await file.openList('points');
    return new VectorBackup(file, dim);
  }

  /** @param vector the numbers as JavaScript prints them, separated by commas. */
  async point(point: PopulationPoint, vector: string): Promise<void> {
    this.#points++;
    // Whole numbers and exponents are rare, and the only ones that Python prints in another way.
    const plain = !/e|(?:^|,)-?\d+(?:,|$)|0\.0000/.test(vector);
    const numbers = plain
      ? vector.replaceAll(',', ',\n        ')
      : point.vector.map(pythonFloat).join(',\n        ');
    const payload = pythonJson(point.payload, 2, 3);
    await this.file.item(
      `{\n      "id": "${point.id}",\n      "vector": [\n        ${numbers}\n      ],\n      "payload": ${payload}\n    }`,
    );
  }

  async finish(): Promise<void> {
    await this.file.closeList();
    const stats = { points_count: this.#points, vector_size: this.#points === 0 ? null : this.dim };
    await this.file.write(`,\n  "stats": ${pythonJson(stats, 2, 1)}\n}`);
    await this.file.finish();
  }

  abandon(): Promise<void> {
    return this.file.abandon();
  }
}

async function newFile(path: string): Promise<BackupFile> {
  try {
    await mkdir(dirname(path), { recursive: true });
  } catch (error) {
    throw new Failure(
      {
        operation: 'make the backup folder',
        subject: dirname(path),
        reason: error instanceof Error ? error.message : String(error),
        hint: 'Name a folder that may be written with --backup-dir.',
        exitCode: ExitCode.usage,
        code: 'backup-dir',
      },
      { cause: error },
    );
  }
  return new BackupFile(path);
}
