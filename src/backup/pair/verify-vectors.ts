import { isMap, type Value } from '../../memory/values.js';
import { IdSet } from './id-set.js';
import type { BadPoint, FilePoint } from '../files/point-record.js';
import { ProblemList } from './pair-problems.js';
import type { VectorsPart } from '../files/vectors-file.js';

const CANNOT = 'points that cannot be restored';

/** Holds the points of a vector half against each other, one part after the other, and keeps their ids and sizes. */
export class VectorsVerifier {
  readonly problems = new ProblemList('vectors');
  readonly pointIds = new IdSet();
  collectionName: string | null = null;
  timestamp: string | null = null;
  points = 0;
  /** Components of a vector: what the file says, else what most of its points have. Known once it is finished. */
  vectorSize: number | null = null;
  private stats: Value = null;
  private badPoints = 0;
  /** Components by position of the id. */
  private sizes = new Uint32Array(1024);
  private readonly countBySize = new Map<number, number>();

  part(part: VectorsPart): void {
    if (part.kind === 'field') {
      this.field(part.name, part.value);
      return;
    }
    for (const point of part.points) this.point(point);
    for (const point of part.bad) this.badPoint(point);
  }

  /** Whether there is a point that can be restored for an id of another set. Asked once the file is finished. */
  hasOf(ids: IdSet, at: number): boolean {
    const position = this.pointIds.findOf(ids, at);
    return position >= 0 && this.sizes[position] === this.vectorSize;
  }

  /** To be called when the file was read to its end. */
  finish(): void {
    const { problems } = this;
    const { points_count: points, vector_size: size } = isMap(this.stats) ? this.stats : {};
    if (points !== undefined && points !== this.points) {
      const said = typeof points === 'number' ? String(points) : 'no number of';
      problems.fatal(
        'vectors-count',
        `the vector half says that it holds ${said} points, and holds ${this.points}`,
      );
    }
    if (!isMap(this.stats))
      problems.whole(
        'loss',
        'vectors-stats',
        'the vector half does not say how much it holds ("stats"): whether that is all cannot be told',
      );
    this.vectorSize = typeof size === 'number' ? size : this.commonSize();
    const wrong = this.points - this.badPoints - (this.countBySize.get(this.vectorSize ?? 0) ?? 0);
    if (wrong > 0) this.tellWrongSizes();
    if (this.points === 0) problems.fatal('vectors-empty', 'the vector half holds no points');
    else if (this.badPoints + wrong === this.points)
      problems.fatal(
        'vectors-unusable',
        `not one point of the vector half can be restored: ${this.example() ?? 'see its records'}`,
      );
  }

  private field(name: string, value: Value): void {
    if (name === 'stats') this.stats = value;
    else if (name === 'collection_name' && typeof value === 'string') this.collectionName = value;
    else if (name === 'timestamp' && typeof value === 'string') this.timestamp = value;
    else if (name === 'points')
      this.problems.fatal('vectors-points', '"points" of the vector half is not a list');
  }

  private point({ id, vector, payload }: FilePoint): void {
    this.points++;
    this.countBySize.set(vector.size, (this.countBySize.get(vector.size) ?? 0) + 1);
    const before = this.pointIds.size;
    const position = this.pointIds.add(id);
    if (position < before) {
      const what = 'points whose id another one has too, so that only one of them can be restored';
      this.problems.record('loss', 'point-twice', what, String(id), 'its id comes a second time');
    }
    if (position >= this.sizes.length) {
      const larger = new Uint32Array(this.sizes.length * 2);
      larger.set(this.sizes);
      this.sizes = larger;
    }
    this.sizes[position] = vector.size;
    if (payload.trouble !== null) {
      const what = 'payloads of which a part cannot be restored';
      this.problems.record('loss', 'payload-part', what, String(id), payload.trouble);
    }
  }

  private badPoint({ id, reason }: BadPoint): void {
    this.points++;
    this.badPoints++;
    this.problems.record('loss', 'point-bad', CANNOT, String(id ?? `point ${this.points}`), reason);
  }

  private commonSize(): number | null {
    const [most] = [...this.countBySize].sort(([, a], [, b]) => b - a);
    return most?.[0] ?? null;
  }

  /** The file says at its end how many components there should have been. */
  private tellWrongSizes(): void {
    for (let position = 0; position < this.pointIds.size; position++) {
      const size = this.sizes[position] as number;
      if (size === this.vectorSize) continue;
      const reason = `its vector has ${size} components instead of ${this.vectorSize ?? 'none'}`;
      this.problems.record('loss', 'point-bad', CANNOT, this.pointIds.at(position), reason);
    }
  }

  private example(): string | undefined {
    return this.problems.all().find(({ code }) => code === 'point-bad')?.records[0]?.reason;
  }
}
