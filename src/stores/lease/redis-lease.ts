import type { ChainableCommander, Redis } from 'ioredis';

import type { Failure } from '../../failure.js';
import { connectGraph, firstCause, graphFailure, type GraphAddress } from '../graph/connection.js';
import {
  nextToken,
  parseEntry,
  printEntry,
  unreadableLease,
  type HeldLease,
  type LeaseClaim,
  type LeaseRecord,
  type LeaseStore,
  type TakenLease,
} from './lease-store.js';

/** Milliseconds. Short: a heartbeat that hangs must leave time for the next one. */
export interface RedisLeaseWaits {
  connectMs: number;
  answerMs: number;
}

const WAITS: RedisLeaseWaits = { connectMs: 3_000, answerMs: 5_000 };

/** The braces put both keys into the graph's own slot of a Redis cluster. */
export const leaseKey = (graph: string): string => `{${graph}}:lifeboat-lease`;
export const fenceKey = (graph: string): string => `{${graph}}:lifeboat-fence`;

/**
 * Begins an optimistic transaction that holds only while the lease does: WATCHes the lease's key on the caller's own
 * connection and tells whether the lease still has this token. Where it has, a MULTI … EXEC that follows on the same
 * connection comes to nothing if anybody takes the lease over in between.
 *
 * A heartbeat of our own touches the key too: where EXEC came to nothing, ask again before giving up. Where the answer
 * is false, the connection is left watching: UNWATCH or close it.
 */
export async function watchLease(redis: Redis, graph: string, token: number): Promise<boolean> {
  // Answered in the order in which they are sent: one way there and back.
  const [, text] = await Promise.all([redis.watch(leaseKey(graph)), redis.get(leaseKey(graph))]);
  return text !== null && parseEntry(text)?.record.token === token;
}

/**
 * The lease on the graph server itself: whoever can recover the graph can see it. The server's clock lets it run out.
 * Needs the rights for GET, SET, DEL, PTTL, WATCH, UNWATCH, MULTI and EXEC on the two keys; no scripts.
 */
export function redisLease(address: GraphAddress, graph: string, waits: RedisLeaseWaits = WAITS): LeaseStore {
  return new RedisLease(address, graph, waits);
}

class RedisLease implements LeaseStore {
  readonly place: string;
  private readonly key: string;
  private connection: Promise<Redis> | null = null;
  /** WATCH belongs to the connection: one transaction after the other. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly address: GraphAddress,
    private readonly graph: string,
    private readonly waits: RedisLeaseWaits,
  ) {
    this.key = leaseKey(graph);
    this.place = `the graph server ${address.host}:${address.port}, key ${this.key}`;
  }

  read(): Promise<HeldLease | null> {
    return this.inTurn(async (redis) => {
      // Nothing is watched here, so that there always is an answer.
      const results = (await execute(redis.multi().get(this.key).pttl(this.key))) ?? [];
      const [text, leftMs] = results as [string | null, number];
      if (text === null) return null;
      const record = parseEntry(text)?.record;
      if (record === undefined) throw this.unreadable('the key holds something that is no lease');
      if (leftMs === -1) throw this.unreadable('the lease has lost its time limit and would never run out');
      const ttlMs = record.ttlSeconds * 1000;
      return { record, version: text, ageMs: Math.max(0, ttlMs - leftMs), expiresInMs: leftMs };
    });
  }

  take(claim: LeaseClaim, over: string | null): Promise<TakenLease | null> {
    return this.inTurn(async (redis) => {
      const fence = fenceKey(this.graph);
      await redis.watch(this.key, fence);
      if ((await redis.get(this.key)) !== over) return unwatched(redis);
      const record = { ...claim, token: nextToken(tokenOf(await redis.get(fence))) };
      const version = printEntry(record);
      const set = redis.multi().set(this.key, version, 'PX', milliseconds(record)).set(fence, record.token);
      return (await execute(set)) === null ? null : { record, version };
    });
  }

  renew(version: string, record: LeaseRecord): Promise<string | null> {
    return this.inTurn(async (redis) => {
      await redis.watch(this.key);
      if ((await redis.get(this.key)) !== version) return unwatched(redis);
      const text = printEntry(record);
      // XX: servers before 6.0.9 let a transaction pass whose key ran out after it was watched.
      const done = await execute(redis.multi().set(this.key, text, 'PX', milliseconds(record), 'XX'));
      return done?.[0] === 'OK' ? text : null;
    });
  }

  release(version: string): Promise<boolean> {
    return this.inTurn(async (redis) => {
      await redis.watch(this.key);
      if ((await redis.get(this.key)) !== version) {
        await redis.unwatch();
        return false;
      }
      return (await execute(redis.multi().del(this.key))) !== null;
    });
  }

  close(): void {
    const { connection } = this;
    this.connection = null;
    connection?.then(
      (redis) => redis.disconnect(),
      // It failed where it was used.
      () => undefined,
    );
  }

  private inTurn<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    const result = this.turn.then(() => this.connected(work));
    this.turn = result.catch(() => undefined);
    return result;
  }

  private async connected<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    const { connectMs, answerMs } = this.waits;
    this.connection ??= connectGraph(this.address, {
      connectTimeoutMs: connectMs,
      answerTimeoutMs: answerMs,
    });
    try {
      return await work(await this.connection);
    } catch (error) {
      // Whatever it was, what the connection watches is unknown now: the next call opens another.
      this.close();
      throw this.failureOf(error);
    }
  }

  private failureOf(error: unknown): Failure {
    const cause = firstCause(error);
    if (cause instanceof Error && /^WRONGTYPE/.test(cause.message)) {
      return this.unreadable('the key holds something that is no lease');
    }
    return graphFailure('keep the lease', this.address, cause, this.waits.answerMs);
  }

  private unreadable(reason: string): Failure {
    const { host, port } = this.address;
    return unreadableLease(this.place, reason, `redis-cli -h ${host} -p ${port} DEL '${this.key}'`);
  }
}

/** Of what the fence holds; what is no number there is worth nothing. */
function tokenOf(fence: string | null): number {
  const token = Number(fence ?? 0);
  return Number.isSafeInteger(token) ? token : 0;
}

const milliseconds = ({ ttlSeconds }: LeaseRecord): number => Math.max(1, Math.round(ttlSeconds * 1000));

async function unwatched(redis: Redis): Promise<null> {
  await redis.unwatch();
  return null;
}

/** The answers of a transaction; null where a watched key was touched. */
async function execute(transaction: ChainableCommander): Promise<unknown[] | null> {
  const results = await transaction.exec();
  if (results === null) return null;
  return results.map(([error, result]) => {
    if (error !== null) throw error;
    return result;
  });
}
