import { setTimeout as sleep } from 'node:timers/promises';

import { Random, type Stream } from '../../src/sandbox/population/random.js';
import type { StoreAddresses } from '../../src/sandbox/addresses.js';
import { ServiceStores, type Answer, type Request } from './writer-stores.js';
import { Ledger } from './writer-ledger.js';

export interface WriterOptions {
  /** The same seed makes the same requests, as far as the stores answer the same. */
  seed: number;
  /** Requests in a second. */
  perSecond: number;
}

/** A service at work on the stores. */
export interface Writer {
  readonly ledger: Ledger;
  /** Ends it, with what is still on its way to Qdrant. */
  stop(): Promise<Ledger>;
  /** Everything that was acknowledged and is not there now, a line each; best after `stop`. */
  missingFrom(stores: StoreAddresses): Promise<string[]>;
}

/** Shares of what clients ask for. */
const REQUESTS: readonly (readonly [Request, number])[] = [
  ['store', 35],
  ['patch', 25],
  ['associate', 15],
  ['touch', 15],
  ['remove', 10],
];

/** Milliseconds after which the embedding worker comes to a memory that was stored. */
const EMBEDDED_AFTER = 50;

/** Not one of the population's own streams. */
const WRITER_STREAM = 1_000 as Stream;

/**
 * Goes on writing as AutoMem's service does, while a recovery is at work: stores, changes, associates and deletes
 * memories and updates when they were last read. It writes to the graph first, and makes the point from the node, later
 * and in a line, as the service's worker does. What the graph acknowledged goes into the ledger; what it refused, or
 * does not know (404), does not.
 */
export async function startWriter(stores: StoreAddresses, options: WriterOptions): Promise<Writer> {
  const service = new Service(stores, options.seed);
  await service.open();
  const stop = new AbortController();
  const work = (async () => {
    while (!stop.signal.aborted) {
      const next = Date.now() + 1000 / options.perSecond;
      await service.request();
      await sleep(Math.max(0, next - Date.now()));
    }
  })();
  return {
    ledger: service.ledger,
    stop: async () => {
      stop.abort();
      await work;
      await service.close();
      return service.ledger;
    },
    missingFrom: (other) => service.ledger.missingFrom(other),
  };
}

class Service {
  readonly ledger = new Ledger();
  readonly #stores: ServiceStores;
  readonly #random: Random;
  /** Ids that clients know, of memories that may be gone by now. */
  #known: string[] = [];
  #requests = 0;
  /** One after the other, as the service's one worker does it. */
  #line: Promise<void> = Promise.resolve();
  readonly #waiting: (() => Promise<void>)[] = [];
  /** Memories that the worker has yet to come to. */
  #due: Promise<unknown> = Promise.resolve();

  constructor(stores: StoreAddresses, seed: number) {
    this.#stores = new ServiceStores(stores);
    this.#random = new Random(seed, WRITER_STREAM, 0);
  }

  async open(): Promise<void> {
    this.#known = await this.#stores.open();
  }

  async close(): Promise<void> {
    await this.#due;
    await this.#line;
    this.#stores.close();
  }

  async request(): Promise<void> {
    this.#requests++;
    const request = this.#known.length === 0 ? 'store' : this.#pick();
    const answer = await this[request]();
    this.ledger.count(request, answer);
  }

  #pick(): Request {
    let left = this.#random.int(100);
    for (const [request, share] of REQUESTS) if ((left -= share) < 0) return request;
    return 'store';
  }

  async store(): Promise<Answer> {
    const id = this.#random.uuid();
    const content = `Written while a recovery was running, as number ${this.#requests}: ${this.#random.hex(8)}`;
    const [type, time] = ['Context', now()];
    const answer = await this.#stores.query(
      `CREATE (m:Memory {id: $id, content: $content, timestamp: $time, updated_at: $time, last_accessed: $time,
         t_valid: $time, importance: 0.5, confidence: 0.9, type: $type, tags: ['writer'],
         tag_prefixes: ['writer'], metadata: '{}', processed: false}) RETURN m.id`,
      { id, content, time, type },
    );
    if (answer === 'done') this.ledger.stored(id, { content, updated_at: time, last_accessed: time, type });
    if (answer !== 'refused') {
      this.#known.push(id);
      this.#embed(id, EMBEDDED_AFTER);
    }
    return answer;
  }

  async patch(): Promise<Answer> {
    const [id, time] = [this.#random.pick(this.#known), now()];
    const content = `Changed while a recovery was running, as number ${this.#requests}: ${this.#random.hex(8)}`;
    const answer = await this.#stores.query(
      'MATCH (m:Memory {id: $id}) SET m.content = $content, m.updated_at = $time RETURN m.id',
      { id, content, time },
    );
    this.ledger.changed(id, { content, updated_at: time }, answer);
    if (answer === 'done') this.#embed(id, 0);
    return answer;
  }

  async touch(): Promise<Answer> {
    const [id, time] = [this.#random.pick(this.#known), now()];
    const answer = await this.#stores.query(
      'MATCH (m:Memory {id: $id}) SET m.last_accessed = $time RETURN m.id',
      { id, time },
    );
    this.ledger.changed(id, { last_accessed: time }, answer);
    return answer;
  }

  async associate(): Promise<Answer> {
    const [from, to, time] = [this.#random.pick(this.#known), this.#random.pick(this.#known), now()];
    if (from === to) return 'missing';
    const type = this.#random.pick(['RELATES_TO', 'LEADS_TO', 'REINFORCES']);
    const answer = await this.#stores.query(
      `MATCH (a:Memory {id: $from}), (b:Memory {id: $to}) MERGE (a)-[e:${type}]->(b)
       SET e.strength = 0.6, e.updated_at = $time RETURN a.id`,
      { from, to, time },
    );
    this.ledger.associated({ from, type, to }, time, answer);
    return answer;
  }

  async remove(): Promise<Answer> {
    const id = this.#random.pick(this.#known);
    const answer = await this.#stores.query(
      'MATCH (m:Memory {id: $id}) WITH m, m.id AS id DETACH DELETE m RETURN id',
      { id },
    );
    this.ledger.removed(id, answer);
    if (answer === 'done')
      this.#next(async () => this.ledger.pointRemoved(id, await this.#stores.removePoint(id)));
    return answer;
  }

  /** Makes a memory's point of what its node holds by then, or none where the node is gone. */
  #embed(id: string, afterMs: number): void {
    const work = async (): Promise<void> => {
      const written = await this.#stores.embed(id);
      if (written !== null) this.ledger.embedded(id, written);
    };
    this.#due = Promise.all([this.#due, sleep(afterMs).then(() => this.#inLine(work))]);
  }

  /** Behind what is in hand, and before what waits: the service deletes a point right after its node. */
  #next(work: () => Promise<void>): void {
    this.#waiting.unshift(work);
    this.#line = this.#line.then(() => this.#waiting.shift()?.());
  }

  #inLine(work: () => Promise<void>): void {
    this.#waiting.push(work);
    this.#line = this.#line.then(() => this.#waiting.shift()?.());
  }
}

/** As Python writes it, with microseconds. */
function now(): string {
  const micros = String(Math.floor((performance.now() % 1) * 1000)).padStart(3, '0');
  return new Date().toISOString().replace('Z', `${micros}+00:00`);
}
