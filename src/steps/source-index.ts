import { fingerprintPayload } from '../memory/fingerprint.js';
import { idPeculiarity, joinKey } from '../memory/ids.js';
import { isMap, type Value, type VectorPoint } from '../memory/values.js';

/** How a memory came into the staging graph. */
export const enum Origin {
  Pending = 0,
  /** Exactly as the backup holds it. */
  Backup = 1,
  /** From the backup, with what the payload says differently. */
  Merged = 2,
  /** From the payload alone. */
  Payload = 3,
  /** Exactly as the live graph holds it. */
  Live = 4,
  Quarantined = 5,
}

/**
 * What was read of the collection: for each point its id, a fingerprint of its payload and how it was staged. About
 * 150 bytes a point, so that a million fit where the payloads themselves would not.
 */
export class SourceIndex {
  private readonly positions = new Map<string, number>();
  private readonly contents = new Set<number>();
  private hashes = new Float64Array(1024);
  private provided = new Uint16Array(1024);
  private damaged = new Uint16Array(1024);
  private origins = new Uint8Array(1024);
  private staged = new Int32Array(1024);
  /** Points that carry no payload at all. */
  bare = 0;
  /** Points whose type is excluded from recall; the service ignores such a vector. */
  excluded = 0;
  /** Memories that share their content with another one. */
  sharedContents = 0;
  /** Ids that are not UUIDs, by what they are. */
  readonly peculiarIds = new Map<string, number>();

  get size(): number {
    return this.positions.size;
  }

  add(point: VectorPoint, excludedTypes: ReadonlySet<string>): void {
    const key = joinKey(point.id);
    const position = this.positions.get(key) ?? this.positions.size;
    if (position === this.hashes.length) this.grow();
    this.positions.set(key, position);
    const { hash, provided, damaged } = fingerprintPayload(point.payload);
    this.hashes[position] = hash;
    this.provided[position] = provided;
    this.damaged[position] = damaged;
    this.staged[position] = -1;
    this.note(point, excludedTypes);
  }

  private note(point: VectorPoint, excludedTypes: ReadonlySet<string>): void {
    const { payload } = point;
    if (!isMap(payload) || Object.keys(payload).length === 0) {
      this.bare++;
      return;
    }
    const { type, content } = payload;
    if (typeof type === 'string' && excludedTypes.has(type)) this.excluded++;
    if (typeof content === 'string' && content !== '') {
      const { hash } = fingerprintPayload({ content });
      if (this.contents.has(hash)) this.sharedContents++;
      else this.contents.add(hash);
    }
    const peculiarity = idPeculiarity(point.id);
    if (peculiarity !== null) this.peculiarIds.set(peculiarity, (this.peculiarIds.get(peculiarity) ?? 0) + 1);
  }

  /** @returns the position of a memory, or -1 where the collection has no such point. */
  find(id: Value | undefined): number {
    return typeof id === 'string' ? (this.positions.get(joinKey(id)) ?? -1) : -1;
  }

  hash(position: number): number {
    return this.hashes[position] as number;
  }

  /** Bit set of the fields that the payload provides; see Fingerprint. */
  providedBits(position: number): number {
    return this.provided[position] as number;
  }

  /** Whether the payload holds something unusable, or lacks what every payload has. */
  isDamaged(position: number): boolean {
    return this.damaged[position] !== 0;
  }

  origin(position: number): Origin {
    return this.origins[position] as Origin;
  }

  setOrigin(position: number, origin: Origin): void {
    this.origins[position] = origin;
  }

  /** Internal id in the staging graph, or -1. */
  stagedId(position: number): number {
    return this.staged[position] as number;
  }

  setStagedId(position: number, id: number): void {
    this.staged[position] = id;
  }

  /** Ids in the form Qdrant takes, with their positions, for one origin or several. */
  *entries(...origins: Origin[]): Generator<{ key: string; position: number }> {
    for (const [key, position] of this.positions) {
      if (origins.includes(this.origin(position))) yield { key, position };
    }
  }

  private grow(): void {
    const length = this.hashes.length * 2;
    const grown = <T extends { set(from: T): void }>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.hashes = grown(this.hashes, new Float64Array(length));
    this.provided = grown(this.provided, new Uint16Array(length));
    this.damaged = grown(this.damaged, new Uint16Array(length));
    this.origins = grown(this.origins, new Uint8Array(length));
    this.staged = grown(this.staged, new Int32Array(length));
  }
}

/** The id as Qdrant takes it: joined keys of integer ids are decimal text. */
export function pointId(key: string): string | bigint {
  return /^\d+$/.test(key) ? BigInt(key) : key;
}
