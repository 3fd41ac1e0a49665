import { hardCaseOf, type HardCase } from './hard-cases.js';
import { hash32, Random, Stream, weighted } from './random.js';
import { restate, writeText, type WrittenText } from './text.js';
import { DAY, isoTime } from './times.js';
import { VectorField } from './vectors.js';
import { ENTITIES, TOPICS, TYPE_SHARES, type MemoryType, type Topic } from './words.js';

/** What to make. */
export interface PopulationOptions {
  /** Memories with the label Memory alone; MetaMemory nodes come on top. At least 1. */
  memories: number;
  /** Components of each vector, 2–4096. */
  dim: number;
  /** 32-bit whole number. */
  seed: number;
  /** The end of the two years that the memories span. */
  now: Date;
}

/** An entity node, of which there is a fixed set. */
export interface EntityFacts {
  index: number;
  category: string;
  name: string;
}

/** The share of memories that come back to something. */
const REPEATS = 0.75;
/** So many memories in a row may come back to one thing; what they come back to changes at every multiple of it. */
export const THREAD_SPAN = 150;

/** Years are counted back from `now`. */
const SPAN = 730 * DAY;

/**
 * The facts of a population that several of its parts need, each made from (seed, index) when asked for.
 * Internal ids stand in this order: control node, entities, memories, patterns, meta memories, runs.
 */
export class World {
  readonly vectors: VectorField;
  readonly entities: readonly EntityFacts[];
  readonly patternTypes: readonly MemoryType[] = TYPE_SHARES.map(([type]) => type);
  readonly metaMemories: number;
  readonly runs: number;

  constructor(readonly options: PopulationOptions) {
    this.vectors = new VectorField(options.dim, (memory) => this.contentOf(memory));
    this.entities = Object.entries(ENTITIES)
      .flatMap(([category, names]) => names.map((name) => ({ category, name })))
      .map((entity, index) => ({ index, ...entity }));
    this.metaMemories = Math.max(1, Math.floor(options.memories / 250));
    this.runs = 20;
  }

  random(stream: Stream, index: number): Random {
    return new Random(this.options.seed, stream, index);
  }

  topicIndexOf(memory: number): number {
    return hash32(this.options.seed, Stream.topic, memory) % TOPICS.length;
  }

  topicOf(memory: number): Topic {
    const topic = TOPICS[this.topicIndexOf(memory)];
    if (!topic) throw new Error(`no topic for memory ${memory}`);
    return topic;
  }

  typeOf(memory: number): MemoryType {
    return weighted(this.random(Stream.type, this.threadOf(memory) ?? memory), TYPE_SHARES);
  }

  /** What a memory says, were it no hard case. */
  writtenOf(memory: number): WrittenText {
    const [thread, topic, type] = [this.threadOf(memory), this.topicOf(memory), this.typeOf(memory)];
    if (thread === null) return writeText(this.random(Stream.text, memory), topic, type);
    return restate(
      writeText(this.random(Stream.text, thread), topic, type),
      this.random(Stream.repeat, memory),
    );
  }

  /** The content of a memory; null where it has none. */
  contentOf(memory: number): string | null {
    const hard = this.hardCaseOf(memory)?.content;
    return hard === undefined ? this.writtenOf(memory).text : hard;
  }

  /**
   * Most memories come back to what others of their topic said about the same time, in nearly the same words: a negative
   * number that these others share, or null for a memory that stands alone. Without them hardly any two memories would
   * be similar.
   */
  threadOf(memory: number): number | null {
    // A hash instead of a generator: this is asked about all memories before each one.
    if (hash32(this.options.seed, Stream.thread, memory) >= REPEATS * 2 ** 32) return null;
    return -1 - (Math.floor(memory / THREAD_SPAN) * TOPICS.length + this.topicIndexOf(memory));
  }

  idOf(memory: number): string {
    return this.random(Stream.id, memory).uuid();
  }

  hardCaseOf(memory: number): HardCase | null {
    return hardCaseOf(memory, this.options.memories);
  }

  /** False where the content is empty or missing: AutoMem embeds nothing then. */
  hasPoint(memory: number): boolean {
    const content = this.hardCaseOf(memory)?.content;
    return content === undefined || (content !== null && content !== '');
  }

  /** When a memory was stored, in milliseconds, whole seconds. Later memories have later times. */
  timeOf(memory: number): number {
    const { memories, now } = this.options;
    const share = (memory + this.random(Stream.time, memory).next()) / memories;
    // An hour is left for what happens to a memory after it was stored.
    const time = now.getTime() - SPAN + share * (SPAN - 3_600_000);
    return Math.floor(time / 1000) * 1000;
  }

  /** A time as AutoMem writes it, some seconds after another and never later than now. */
  after(time: number, seconds: number, micros = 0): string {
    const end = Math.floor(this.options.now.getTime() / 1000) * 1000 - 1000;
    return isoTime(Math.min(time + Math.round(seconds) * 1000, Math.max(end, time)), micros);
  }

  controlNode(): number {
    return 0;
  }
  entityNode(entity: number): number {
    return 1 + entity;
  }
  memoryNode(memory: number): number {
    return 1 + this.entities.length + memory;
  }
  patternNode(pattern: number): number {
    return this.memoryNode(this.options.memories) + pattern;
  }
  metaNode(meta: number): number {
    return this.patternNode(this.patternTypes.length) + meta;
  }
  runNode(run: number): number {
    return this.metaNode(this.metaMemories) + run;
  }
  get nodes(): number {
    return this.runNode(this.runs);
  }

  patternId(pattern: number): string {
    const type = this.patternTypes[pattern] ?? 'Memory';
    return `pattern-${type}-${this.random(Stream.pattern, pattern).hex(8)}`;
  }
  metaId(meta: number): string {
    return this.random(Stream.meta, meta).uuid();
  }
}
