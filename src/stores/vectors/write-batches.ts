import type { WriteGuard } from '../write-guard.js';
import { HttpError } from './vector-failure.js';
import { isTooLarge } from './http-diagnosis.js';
import type { VectorRequests } from './vector-requests.js';
import { collectionPath } from './vector-requests.js';
import { WriteBody, type WriteItem, type WriteKind } from './write-body.js';

export interface WriteOptions {
  /** Bytes of one request; Qdrant takes 32 MiB. */
  bodyBytes?: number;
  /** Requests on their way at the same time. */
  inFlight?: number;
  /**
   * Is told of each point that Qdrant refuses, with its words; all others are written. Without it such a point is a
   * failure.
   */
  onRefused?: (id: string | bigint, reason: string) => void;
  /** Asked before the end of each request; what it refuses is not written. */
  guard?: WriteGuard;
}

interface Batch {
  ids: Set<string | bigint>;
  done: Promise<void>;
}

/**
 * With vectors of 768 numbers, bodies of 2 MiB cost this process a third less than bodies of 512 KiB (38 and 54 µs of CPU a
 * point). Two in flight keep the server busy while the next body is made; the server is what is waited for.
 */
const BODY_BYTES = 2 * 1024 * 1024;
const IN_FLIGHT = 2;
/** A server answers a write when it has written. Asking again before that would only add to its work. */
const MIN_TIMEOUT_MS = 120_000;
const LEAST_BODY_BYTES = 64 * 1024;
/** What stands around the items of a request, at most. */
const ENVELOPE_BYTES = 32;
/** So many refusals before anything was taken: then it is not about the points. */
const MAX_REFUSED_AT_FIRST = 200;

/**
 * Collects items into requests of bounded size and keeps a few of them in flight. All of its writes may be repeated, and
 * are, where a connection broke or the server was not ready. Two writes of one point never pass each other.
 */
export class WriteBatches {
  /** Points that the server confirmed. */
  written = 0;
  private refused = 0;
  private kind: WriteKind | null = null;
  private collection = '';
  private body: WriteBody | null = null;
  /** Of bodies that are written. */
  private readonly spare: Buffer[] = [];
  private bodyBytes: number;
  private readonly inFlight = new Set<Batch>();
  private failure: Error | null = null;

  constructor(
    private readonly requests: VectorRequests,
    private readonly options: WriteOptions,
  ) {
    this.bodyBytes = options.bodyBytes ?? BODY_BYTES;
  }

  /**
   * Takes items, and comes back when there is room for more; to be called again only then. What is of another kind, or
   * for another collection, waits for all that came before.
   *
   * @throws Failure of this write or of an earlier one
   */
  async add(kind: WriteKind, collection: string, items: Iterable<WriteItem>): Promise<void> {
    if (kind !== this.kind || collection !== this.collection) await this.flush();
    this.kind = kind;
    this.collection = collection;
    for (const item of items) {
      this.body ??= this.begin(kind);
      this.body.add(item);
      if (this.body.length > this.bodyBytes && this.body.count > 1)
        await this.sendAllButLast(this.body, kind);
    }
    this.check();
  }

  /** Waits until everything is written. @throws Failure where something was not */
  async flush(): Promise<void> {
    await this.send();
    while (this.inFlight.size > 0) await this.one();
    this.check();
  }

  private check(): void {
    if (this.failure !== null) throw this.failure;
  }

  private one(): Promise<unknown> {
    return Promise.race([...this.inFlight].map(({ done }) => done));
  }

  private begin(kind: WriteKind): WriteBody {
    return new WriteBody(kind, this.spare.pop());
  }

  /** The item with which a body became too large begins the next one. */
  private async sendAllButLast(body: WriteBody, kind: WriteKind): Promise<void> {
    const next = this.begin(kind);
    body.moveLast(next);
    await this.send();
    this.body = next;
  }

  private async send(): Promise<void> {
    const { body, collection } = this;
    this.body = null;
    if (body === null) return;
    const ids = new Set(body.ids);
    while (this.inFlight.size >= (this.options.inFlight ?? IN_FLIGHT) || this.isOnItsWay(ids))
      await this.one();
    this.check();
    const batch: Batch = { ids, done: Promise.resolve() };
    this.inFlight.add(batch);
    batch.done = this.write(collection, body, 0, body.count)
      .then(() => void this.spare.push(body.memory))
      .catch((error: unknown) => {
        this.failure ??= error as Error;
      })
      .finally(() => this.inFlight.delete(batch));
  }

  private isOnItsWay(ids: ReadonlySet<string | bigint>): boolean {
    for (const batch of this.inFlight) for (const id of ids) if (batch.ids.has(id)) return true;
    return false;
  }

  /** Writes the items from one up to, but without, another. */
  private async write(collection: string, body: WriteBody, from: number, to: number): Promise<void> {
    const { kind } = body;
    const count = to - from;
    const bytes = count === body.count ? body.whole() : body.part(from, to);
    if (count > 1 && bytes.length > this.bodyBytes + ENVELOPE_BYTES) {
      await this.writeHalves(collection, body, from, to);
      return;
    }
    try {
      await this.ask(kind, collection, bytes, count);
      this.written += count;
    } catch (error) {
      const { cause } = error as Error;
      if (!(cause instanceof HttpError)) throw error;
      const isRefused = this.options.onRefused !== undefined && isAboutPoints(cause);
      if (count > 1 && (isTooLarge(cause) || isRefused)) {
        if (isTooLarge(cause)) this.learn(bytes.length >> 1);
        await this.writeHalves(collection, body, from, to);
      } else if (isRefused) this.refuse(body.ids.slice(from, to), cause, error as Error);
      else throw error;
    }
  }

  private async ask(kind: WriteKind, collection: string, body: Buffer, count: number): Promise<void> {
    const { guard } = this.options;
    let ended: ((isProven: boolean) => void) | null = null;
    const beforeEnd = async (): Promise<void> => {
      await guard?.mayWrite();
      ended ??= guard?.sending('points', count) ?? null;
    };
    try {
      await this.requests.text({
        operation: kind.operation,
        method: kind.method,
        path: collectionPath(collection, `${kind.path}?wait=true`),
        body,
        retry: 'patiently',
        timeoutMs: Math.max(this.requests.address.timeoutMs, MIN_TIMEOUT_MS),
        ...(guard === undefined ? {} : { beforeEnd }),
      });
    } finally {
      // Assigned in the meantime, which the compiler does not see.
      (ended as ((isProven: boolean) => void) | null)?.(false);
    }
  }

  /** What was too large once is too large for the batches to come. */
  private learn(bytes: number): void {
    this.bodyBytes = Math.min(this.bodyBytes, Math.max(LEAST_BODY_BYTES, bytes));
  }

  private async writeHalves(collection: string, body: WriteBody, from: number, to: number): Promise<void> {
    const half = from + Math.ceil((to - from) / 2);
    await this.write(collection, body, from, half);
    await this.write(collection, body, half, to);
  }

  private refuse(ids: readonly (string | bigint)[], reason: HttpError, error: Error): void {
    this.refused += ids.length;
    if (this.written === 0 && this.refused > MAX_REFUSED_AT_FIRST) throw error;
    for (const id of ids) this.options.onRefused?.(id, reason.message);
  }
}

/** Whether one point among many can be the reason of a refusal. */
function isAboutPoints({ status, message }: HttpError): boolean {
  if (status === 404) return message.includes('No point with id');
  return status === 400 || status === 413 || status === 422;
}
