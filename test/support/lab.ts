import { mkdtemp, rm } from 'node:fs/promises';
import { readFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { Redis } from 'ioredis';

import { addAssessCommand, addValidateCommand } from '../../src/commands/assess.js';
import { loadBackupCommand } from '../../src/commands/backup.js';
import { addRecoverCommand } from '../../src/commands/recover.js';
import { addRepairCommand } from '../../src/commands/repair.js';
import { addRunsCommand } from '../../src/commands/runs.js';
import { Failure } from '../../src/failure.js';
import type { Summary, TimedEvent } from '../../src/recovery/events.js';
import { parseJson, printPythonJson } from '../../src/memory/json.js';
import type { GraphNode, GraphRelationship, Value, ValueMap } from '../../src/memory/values.js';
import type { StoreAddresses } from '../../src/sandbox/addresses.js';
import {
  compareGraphs,
  describeDifference,
  readGraph,
  type GraphSnapshot,
} from '../../src/sandbox/compare.js';
import { damageScenario } from '../../src/sandbox/damage.js';
import { backupPaths } from '../../src/sandbox/fill-backup.js';
import { fill, type FillOptions, type FillResult } from '../../src/sandbox/fill.js';
import { GraphStore } from '../../src/stores/graph/graph-store.js';
import { testContext, type TestContext } from './context.js';
import { copyGraph } from './copy-graph.js';
import { startEngines, type TestEngines, type TestEnginesOptions } from './engines.js';

export const GRAPH = 'memories';
export const TIMESTAMP = '20261101_030000';

const PRISTINE = 'pristine';

const COMMANDS = [
  addAssessCommand,
  await loadBackupCommand(),
  addRecoverCommand,
  addRepairCommand,
  addRunsCommand,
  addValidateCommand,
];

/** What a command came to. */
export interface CommandRun {
  exitCode: number;
  stdout: string;
  stderr: string;
  /** With --json: every line, parsed. */
  events: TimedEvent[];
  /** With --json: the last line, when it is a summary. */
  summary: Summary;
  /** What was thrown instead of told in a summary. */
  failure: Failure | null;
  /** NDJSON records of the run's folder. */
  records(name: 'quarantine' | 'salvage' | 'journal' | 'events'): Record<string, unknown>[];
}

export interface RunOptions {
  env?: Record<string, string | undefined>;
  /** Called with each line as it is written. */
  onEvent?: (event: TimedEvent, context: TestContext) => void;
}

/** Real engines, a folder with backups and one with runs: everything that a command needs. */
export class Lab {
  private readonly connection: Redis;

  private constructor(
    readonly engines: TestEngines,
    readonly folder: string,
  ) {
    const { host, port, password } = engines.graph;
    this.connection = new Redis({
      host,
      port,
      ...(password === undefined ? {} : { password }),
      maxRetriesPerRequest: 20,
    });
    this.connection.on('error', () => undefined);
  }

  static async start(options: TestEnginesOptions = {}): Promise<Lab> {
    return new Lab(await startEngines(options), await mkdtemp(join(tmpdir(), 'lifeboat-lab-')));
  }

  async stop(): Promise<void> {
    this.connection.disconnect();
    await this.engines.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  get backups(): string {
    return join(this.folder, 'backups');
  }

  get stores(): StoreAddresses {
    return {
      graph: { ...this.engines.graph, name: GRAPH },
      vectors: { ...this.engines.vectors, collection: GRAPH },
    };
  }

  get env(): Record<string, string> {
    return {
      ...this.engines.env,
      HOME: this.folder,
      AUTOMEM_BACKUP_DIR: this.backups,
      LIFEBOAT_STATE: join(this.folder, 'state'),
      QDRANT_TIMEOUT_SECONDS: '20',
    };
  }

  /** Empties both stores and fills them anew, with a backup pair of just that. */
  async fill(options: Partial<FillOptions> = {}): Promise<FillResult> {
    await rm(this.backups, { recursive: true, force: true });
    await this.redis('FLUSHALL');
    this.dim = options.dim ?? 8;
    return fill(
      {
        memories: 200,
        dim: 8,
        seed: 1,
        backupDir: this.backups,
        timestamp: TIMESTAMP,
        force: true,
        ...options,
      },
      this.stores,
    );
  }

  private dim = 8;
  private pristine: { graph: Buffer; vectors: Buffer } | null = null;

  /** Remembers what {@link fill} just wrote, for {@link reset}. */
  async keep(): Promise<void> {
    await this.copyGraph(GRAPH, PRISTINE);
    this.pristine = { graph: this.backupBytes('graph'), vectors: this.backupBytes('vectors') };
  }

  /** Brings stores and backups back to what {@link keep} remembered; quicker than filling them again. */
  async reset(): Promise<void> {
    if (this.pristine === null) throw new Error('nothing was kept');
    const { graph, vectors } = this.pristine;
    for (const key of await this.keys()) if (key !== PRISTINE) await this.redis('DEL', key);
    await this.copyGraph(PRISTINE, GRAPH);
    await rm(this.backups, { recursive: true, force: true });
    this.writeBackup('graph', graph);
    this.writeBackup('vectors', vectors);
    await this.emptyCollection();
    // The text itself: reading it as JavaScript numbers would make 1 of 1.0.
    const text = gunzipSync(vectors).toString();
    const points = text.slice(
      text.indexOf('"points": [') + '"points": '.length,
      text.lastIndexOf(',\n  "stats"'),
    );
    await this.qdrant('PUT', `/collections/${GRAPH}/points?wait=true`, `{"points":${points}}`);
  }

  private copyGraph(from: string, to: string): Promise<void> {
    return copyGraph(this.engines.servers.graph.pid, () => this.redis('GRAPH.COPY', from, to));
  }

  /** The collection as {@link fill} makes it, without points and snapshots. */
  private async emptyCollection(): Promise<void> {
    await this.qdrant('DELETE', `/collections/${GRAPH}`);
    await this.qdrant('PUT', `/collections/${GRAPH}`, { vectors: { size: this.dim, distance: 'Cosine' } });
    for (const field_name of ['tags', 'tag_prefixes'])
      await this.qdrant('PUT', `/collections/${GRAPH}/index?wait=true`, {
        field_name,
        field_schema: 'keyword',
      });
  }

  async damage(name: string): Promise<void> {
    await damageScenario(name).apply({ ...this.stores, backupDir: this.backups });
  }

  /** Runs a command in this process, with --json unless it is told to print lines. */
  async run(args: string[], options: RunOptions = {}): Promise<CommandRun> {
    const events: TimedEvent[] = [];
    let stdout = '';
    const context: TestContext = testContext({
      env: { ...this.env, ...options.env },
      cwd: this.folder,
      out: (text) => {
        stdout += text;
        if (!args.includes('--json')) return;
        const event = JSON.parse(text) as TimedEvent;
        events.push(event);
        options.onEvent?.(event, context);
      },
    });
    const program = new Command('lifeboat').exitOverride();
    for (const add of COMMANDS) add(program, context);
    let failure: Failure | null = null;
    try {
      await program.parseAsync(args, { from: 'user' });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failure = error;
    }
    const summary = events.at(-1) as unknown as Summary;
    return {
      exitCode: failure?.exitCode ?? context.exitCode,
      stdout,
      stderr: context.stderr,
      events,
      summary,
      failure,
      records: (name) => readRecords(summary.files[name]),
    };
  }

  recover(args: string[] = [], options: RunOptions = {}): Promise<CommandRun> {
    return this.run(['recover', '--json', '--confirm', GRAPH, ...args], options);
  }

  async redis(name: string, ...args: (string | number | Buffer)[]): Promise<unknown> {
    return this.connection.call(name, ...args);
  }

  /** Rows of a query, as the server prints them. */
  async query(cypher: string, graph = GRAPH): Promise<unknown[][]> {
    const reply = (await this.redis('GRAPH.QUERY', graph, cypher)) as unknown[];
    return reply.length === 3 ? (reply[1] as unknown[][]) : [];
  }

  async value(cypher: string): Promise<unknown> {
    return (await this.query(cypher))[0]?.[0];
  }

  /** All keys of the graph server, sorted. */
  async keys(): Promise<string[]> {
    return ((await this.redis('KEYS', '*')) as string[]).sort();
  }

  /** Keys of the graph server but the live graph, FalkorDB's own logs, and what the test itself keeps. */
  async leftovers(): Promise<string[]> {
    return (await this.keys()).filter(
      (key) =>
        key !== GRAPH &&
        key !== PRISTINE &&
        !key.startsWith('telemetry{') &&
        // The fencing token outlives the lease, so that it goes on growing; a lease that nobody could release runs out.
        key !== `{${GRAPH}}:lifeboat-fence` &&
        // Names the run whose graph is live.
        key !== `{${GRAPH}}:lifeboat-current` &&
        key !== `{${GRAPH}}:lifeboat-lease`,
    );
  }

  /** Everything that a graph holds, decoded. */
  async contents(name = GRAPH): Promise<{ nodes: GraphNode[]; relationships: GraphRelationship[] }> {
    const store = await GraphStore.open(this.engines.graph);
    try {
      const nodes: GraphNode[] = [];
      for await (const page of store.nodes(name)) nodes.push(...page);
      const relationships: GraphRelationship[] = [];
      for await (const page of store.relationships(name)) relationships.push(...page);
      return { nodes, relationships };
    } finally {
      store.close();
    }
  }

  /** The properties of a memory as plain values, doubles without a mark. */
  async node(id: string): Promise<Record<string, unknown>> {
    const found = (await this.contents()).nodes.filter(({ properties }) => properties['id'] === id);
    if (found.length !== 1) throw new Error(`${found.length} nodes have the id ${id}`);
    return JSON.parse(
      JSON.stringify(found[0]?.properties, (_, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      ),
    ) as Record<string, unknown>;
  }

  snapshot(name = GRAPH): Promise<GraphSnapshot> {
    return readGraph({ ...this.engines.graph, name });
  }

  /** Differences between the graph as it is and as it was, in words; empty when there are none. */
  async differences(before: GraphSnapshot, name = GRAPH): Promise<string[]> {
    const after = await this.snapshot(name);
    try {
      const { equal, examples, nodes, relationships } = await compareGraphs(before, after, { examples: 20 });
      return equal ? [] : [JSON.stringify({ nodes, relationships }), ...examples.map(describeDifference)];
    } finally {
      await after.close();
    }
  }

  /** A request to Qdrant, with a body as it is. */
  async qdrant<T>(method: string, path: string, body?: unknown): Promise<T> {
    const { url, apiKey } = this.engines.vectors;
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...(apiKey === undefined ? {} : { 'api-key': apiKey }) },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (JSON.parse(text) as { result: T }).result;
  }

  /** Upserts points; a payload given as text goes to the letter, so that 1.0 stays 1.0. */
  async upsert(
    points: { id: string | number; vector?: number[]; payload: unknown }[],
    dim = 8,
  ): Promise<void> {
    const list = points.map(({ id, vector, payload }) => {
      const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
      return `{"id":${JSON.stringify(id)},"vector":${JSON.stringify(vector ?? unitVector(dim, String(id)))},"payload":${text}}`;
    });
    await this.qdrant('PUT', `/collections/${GRAPH}/points?wait=true`, `{"points":[${list.join(',')}]}`);
  }

  async removePoints(ids: (string | number)[]): Promise<void> {
    await this.qdrant('POST', `/collections/${GRAPH}/points/delete?wait=true`, { points: ids });
  }

  /** Every point, with payload and vector: what must not change. */
  async points(): Promise<string> {
    const { points } = await this.qdrant<{ points: unknown[] }>(
      'POST',
      `/collections/${GRAPH}/points/scroll`,
      {
        limit: 20_000,
        with_payload: true,
        with_vector: true,
      },
    );
    return JSON.stringify(points);
  }

  /** Changes the JSON of the newest graph half, as an accident or another program would. */
  editBackup(edit: (backup: BackupJson) => void, timestamp = TIMESTAMP): void {
    const { graph } = backupPaths(this.backups, timestamp);
    // With numbers as they are written: 1.0 must not become 1.
    const backup = parseJson(gunzipSync(readFileSync(graph)).toString()) as unknown as BackupJson;
    edit(backup);
    backup.stats = { node_count: backup.nodes.length, relationship_count: backup.relationships.length };
    writeFileSync(graph, gzipSync(printPythonJson(backup as unknown as Value)));
  }

  /** Bytes of one half of a backup pair. */
  backupBytes(half: 'graph' | 'vectors', timestamp = TIMESTAMP): Buffer {
    return readFileSync(backupPaths(this.backups, timestamp)[half]);
  }

  removeBackup(half: 'graph' | 'vectors', timestamp = TIMESTAMP): void {
    rmSync(backupPaths(this.backups, timestamp)[half]);
  }

  writeBackup(half: 'graph' | 'vectors', content: Buffer, timestamp = TIMESTAMP): void {
    const path = backupPaths(this.backups, timestamp)[half];
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content);
  }
}

export interface BackupJson {
  graph_name: string;
  nodes: { id: number; labels: string[]; properties: ValueMap }[];
  relationships: { source_id: number; type: string; target_id: number; properties: ValueMap }[];
  stats: { node_count: number; relationship_count: number };
}

/** A vector of length 1 that depends on the text alone. */
function unitVector(dim: number, text: string): number[] {
  let state = 7;
  for (const char of text) state = (state * 31 + (char.codePointAt(0) ?? 0)) % 1_000_003;
  const raw = Array.from({ length: dim }, () => {
    state = (state * 48_271 + 11) % 2_147_483_647;
    return (state / 2_147_483_647) * 2 - 1;
  });
  const length = Math.hypot(...raw);
  return raw.map((component) => component / length);
}

/** A payload as AutoMem's usual path writes it. */
export function payloadOf(content: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    content,
    tags: ['lab'],
    importance: 0.7,
    timestamp: '2026-11-01T10:00:00+00:00',
    type: 'Decision',
    confidence: 0.9,
    metadata: {},
    updated_at: '2026-11-01T10:00:00+00:00',
    last_accessed: '2026-11-01T10:00:00+00:00',
    ...more,
  };
}

function readRecords(path: string | undefined): Record<string, unknown>[] {
  if (path === undefined || !existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
