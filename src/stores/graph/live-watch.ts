import { Failure } from '../../failure.js';
import { graphFailure } from './connection.js';
import type { GraphStore } from './graph-store.js';

/** What the server answers; null where it does not allow it to this user. */
export async function unlessForbidden<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Failure && error.code === 'forbidden') return null;
    throw error;
  }
}

/** Where the live graph is. */
export interface WatchedGraph {
  readonly openGraph: () => Promise<GraphStore>;
  readonly graphName: string;
}

/**
 * Tells whether anything was written to the live graph since a moment, be it one property: a WATCH on a connection of its
 * own, which the next transaction of that connection asks. Whether it was is only known then, and only once.
 */
export class LiveWatch {
  private armed = false;

  private constructor(
    readonly store: GraphStore,
    private readonly key: string,
  ) {}

  static async begin(context: WatchedGraph): Promise<LiveWatch> {
    const watch = new LiveWatch(await context.openGraph(), context.graphName);
    await watch.arm();
    return watch;
  }

  /** Whether the next transaction comes to nothing where the live graph was written to since {@link arm}. */
  get isArmed(): boolean {
    return this.armed;
  }

  async arm(): Promise<void> {
    await this.store.command('watch the live graph', 'WATCH', this.key);
    this.armed = true;
  }

  /** Asks, and forgets what was watched. */
  async wasWrittenTo(): Promise<boolean> {
    try {
      return (await this.store.redis.multi().ping().exec()) === null;
    } catch (error) {
      throw graphFailure('look whether the live graph was written to', this.store.address, error);
    } finally {
      this.armed = false;
    }
  }

  /** Forgets what was watched, as every transaction does. */
  async disarm(): Promise<void> {
    this.armed = false;
    await this.store.command('stop watching the live graph', 'UNWATCH');
  }

  /** A connection that broke watches nothing. */
  async isAlive(): Promise<boolean> {
    try {
      await this.store.command('reach the graph server', 'PING');
      return true;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return false;
    }
  }

  /** To be told that a transaction was made. */
  spent(): void {
    this.armed = false;
  }

  close(): void {
    this.store.close();
  }
}
