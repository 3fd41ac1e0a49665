import { ExitCode, Failure } from '../../failure.js';
import { isMap, type Value } from '../../memory/values.js';
import { changedFile, type Archive } from '../../stores/archive/archive.js';
import { gunzipStream } from './container.js';
import type { BadPoint, FilePoint } from './point-record.js';
import type { BackupFile } from '../types.js';
import { readVectorsFile } from './vectors-file.js';

export interface VectorsSourceOptions {
  /** The collection that is to be restored; a backup of another one is refused. */
  collectionName?: string;
  /** Components that every vector must have, as verifyPair found them; without it, as many as the first point has. */
  vectorSize?: number | null;
  /** Points that it held, bad ones included, when it was verified. */
  points?: number;
}

/** The vector half of a backup, read once from beginning to end. */
export class VectorsSource {
  /** Points read so far, bad ones included. */
  read = 0;
  private stats: Value = null;
  private vectorSize: number | null;

  constructor(
    private readonly archive: Archive,
    private readonly file: BackupFile,
    private readonly options: VectorsSourceOptions = {},
  ) {
    this.vectorSize = options.vectorSize ?? null;
  }

  /**
   * The points that can be restored, in pages of what one chunk of bytes completed (some 15 of 768 components). At the end
   * the numbers read are held against those that the file gives.
   *
   * @param bad is told every point that cannot be restored
   * @throws Failure when the file cannot be read to its end, or is not what it says
   */
  async *pages(bad: (point: BadPoint) => void): AsyncGenerator<FilePoint[]> {
    const { path } = this.file;
    for await (const part of readVectorsFile(path, gunzipStream(this.archive, this.file))) {
      if (part.kind === 'field') {
        this.field(part.name, part.value);
        continue;
      }
      this.read += part.points.length + part.bad.length;
      part.bad.forEach(bad);
      const good = part.points.filter((point) => this.hasRightSize(point, bad));
      if (good.length > 0) yield good;
    }
    this.reconcile();
  }

  private hasRightSize({ id, vector, payload }: FilePoint, bad: (point: BadPoint) => void): boolean {
    this.vectorSize ??= vector.size;
    if (vector.size === this.vectorSize) return true;
    const reason = `its vector has ${vector.size} components instead of ${this.vectorSize}`;
    // What a person can make use of; the components of a wrong vector are no use to anybody.
    bad({ id, reason, record: { id, payload: payload.value() } });
    return false;
  }

  private field(name: string, value: Value): void {
    if (name === 'stats') this.stats = value;
    const { collectionName } = this.options;
    if (name === 'collection_name' && typeof value === 'string' && value !== (collectionName ?? value))
      throw this.failure(`it is a backup of the collection "${value}", not of "${collectionName ?? ''}"`);
  }

  private reconcile(): void {
    if (this.read !== (this.options.points ?? this.read)) throw changedFile(this.file.path);
    if (!isMap(this.stats)) return;
    const { points_count: points, vector_size: size } = this.stats;
    if (points !== undefined && points !== this.read)
      throw this.failure('it holds another number of points than it says');
    if (typeof size === 'number' && this.vectorSize !== null && size !== this.vectorSize)
      throw this.failure(`it says that its vectors have ${size} components, not ${this.vectorSize}`);
  }

  private failure(reason: string): Failure {
    return new Failure({
      operation: 'read the backup',
      subject: this.file.path,
      reason,
      hint: 'Use another backup with --backup TIMESTAMP.',
      exitCode: ExitCode.nothingToRecoverFrom,
      code: 'backup-inconsistent',
    });
  }
}
