import { NEEDED_ROWS, type GraphStore } from '../stores/graph/graph-store.js';
import type { Finding, Persistence } from './types.js';

/** Facts about the server, from INFO and CONFIG; null where the user may not ask. */
export interface GraphServerFacts {
  version: { server: string; module: string } | null;
  persistence: Persistence | null;
  resultCap: number | null;
  queryTimeoutMs: number | null;
  /** Milliseconds that no query may ask to exceed (TIMEOUT_MAX); 0 is no limit. */
  queryTimeoutMaxMs: number;
  usedMemory: number;
  /** 0 is unlimited. */
  maxMemory: number;
}

/** Asks the graph server about itself. Reads only; what the user has no right to ask stays null. */
export async function readServerFacts(store: GraphStore): Promise<GraphServerFacts> {
  const [info, modules, save, aof, graphConfig] = await Promise.all([
    allowed(store, 'INFO'),
    allowed(store, 'MODULE', 'LIST'),
    allowed(store, 'CONFIG', 'GET', 'save'),
    allowed(store, 'CONFIG', 'GET', 'appendonly'),
    allowed(store, 'GRAPH.CONFIG', 'GET', '*'),
  ]);
  const fields = parseInfo(typeof info === 'string' ? info : '');
  const settings = Array.isArray(graphConfig) ? (graphConfig as [string, unknown][]) : [];
  const config = new Map(settings.map(([name, value]) => [name, Number(value)]));
  const cap = config.get('RESULTSET_SIZE');
  return {
    version: fields.size === 0 ? null : { server: serverVersion(fields), module: moduleVersion(modules) },
    persistence: fields.size === 0 ? null : persistence(fields, settingValue(save), settingValue(aof)),
    resultCap: cap === undefined || cap < 0 ? null : cap,
    queryTimeoutMs: config.get('TIMEOUT_DEFAULT') || (config.get('TIMEOUT') ?? null),
    queryTimeoutMaxMs: config.get('TIMEOUT_MAX') ?? 0,
    usedMemory: Number(fields.get('used_memory') ?? 0),
    maxMemory: Number(fields.get('maxmemory') ?? 0),
  };
}

const QUERY_TIMEOUT_MS = 120_000;

/**
 * Milliseconds to send along with each query; 0 sends none. A server with a limit aborts long queries, so it is asked for
 * more time, but no more than it grants: that would be an error. A server without a limit is left alone.
 */
export function queryTimeout({ queryTimeoutMs, queryTimeoutMaxMs }: GraphServerFacts): number {
  if ((queryTimeoutMs ?? 0) === 0 && queryTimeoutMaxMs === 0) return 0;
  return queryTimeoutMaxMs > 0 ? Math.min(QUERY_TIMEOUT_MS, queryTimeoutMaxMs) : QUERY_TIMEOUT_MS;
}

async function allowed(store: GraphStore, name: string, ...args: string[]): Promise<unknown> {
  try {
    return await store.command('ask the graph server about itself', name, ...args);
  } catch {
    // Managed servers forbid CONFIG and MODULE; the facts are then unknown, which the caller reports.
    return null;
  }
}

function parseInfo(text: string): Map<string, string> {
  const lines = text.split('\r\n').filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

function settingValue(reply: unknown): string | null {
  return Array.isArray(reply) && typeof reply[1] === 'string' ? reply[1] : null;
}

function serverVersion(fields: Map<string, string>): string {
  const valkey = fields.get('valkey_version');
  return valkey === undefined ? `redis ${fields.get('redis_version') ?? '?'}` : `valkey ${valkey}`;
}

function moduleVersion(modules: unknown): string {
  if (!Array.isArray(modules)) return 'unknown';
  for (const module of modules as unknown[][]) {
    const at = (key: string): unknown => module[module.indexOf(key) + 1];
    if (at('name') !== 'graph') continue;
    const version = Number(at('ver'));
    return `falkordb ${Math.floor(version / 10_000)}.${Math.floor(version / 100) % 100}.${version % 100}`;
  }
  return 'unknown';
}

function persistence(fields: Map<string, string>, save: string | null, aof: string | null): Persistence {
  const lastSave = Number(fields.get('rdb_last_save_time') ?? 0);
  const aofKnown =
    aof ?? (fields.has('aof_enabled') ? (fields.get('aof_enabled') === '1' ? 'yes' : 'no') : null);
  return {
    snapshots: save,
    aof: aofKnown === null ? null : aofKnown === 'yes',
    lastSave: lastSave > 0 ? new Date(lastSave * 1000).toISOString() : null,
    readOnlyReplica: fields.get('role') === 'slave',
  };
}

/** What is wrong with how the server keeps its data, and the setting to change. */
export function persistenceFindings(facts: GraphServerFacts): Finding[] {
  const { persistence: kept } = facts;
  const findings: Finding[] = [];
  if (kept?.readOnlyReplica === true) {
    findings.push({
      severity: 'problem',
      code: 'read-only-replica',
      message: 'The graph server is a read-only replica: nothing can be recovered into it.',
      action: 'Point FALKORDB_HOST at the primary, or promote this one with REPLICAOF NO ONE.',
    });
  }
  if (kept !== null && kept.aof === false && kept.snapshots === '') {
    findings.push({
      severity: 'warning',
      code: 'no-persistence',
      message: 'The graph server keeps its data in memory only: a restart loses the graph.',
      action:
        'Set `appendonly yes` (REDIS_ARGS="--appendonly yes" for the FalkorDB image) and mount its data folder on a volume.',
    });
  } else if (kept !== null && kept.aof === false) {
    findings.push({
      severity: 'info',
      code: 'snapshots-only',
      message: `The graph server saves snapshots (save ${kept.snapshots ?? '?'}) but no append-only file: a crash loses what was written since the last one.`,
      action: 'Set `appendonly yes` to lose at most a second.',
    });
  }
  if (facts.resultCap !== null) findings.push(capFinding(facts.resultCap));
  return findings;
}

function capFinding(rows: number): Finding {
  const cut = `The graph server cuts every result at ${rows} rows without saying so (RESULTSET_SIZE).`;
  const code = 'result-cap';
  if (rows >= NEEDED_ROWS)
    return { severity: 'info', code, message: `${cut} Lifeboat pages below it; other tools may not.` };
  return {
    severity: 'warning',
    code,
    message: `${cut} Lifeboat reads up to ${NEEDED_ROWS} at once, and stops where a read comes out short.`,
    action: 'GRAPH.CONFIG SET RESULTSET_SIZE -1',
  };
}
