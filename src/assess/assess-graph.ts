import { Failure } from '../failure.js';
import type { GraphAddress } from '../stores/graph/connection.js';
import { GraphStore, PAGE_ROWS } from '../stores/graph/graph-store.js';
import { persistenceFindings, queryTimeout, readServerFacts, type GraphServerFacts } from './graph-server.js';
import type { Finding, GraphAssessment, Unreachable, UnreachableCause } from './types.js';

const CAUSES = new Set<string>([
  'refused',
  'unknown-host',
  'private-host',
  'wrong-credentials',
  'tls',
  'loading',
  'timeout',
  'module-missing',
]);

/** The finding form of a failed connection. */
export function unreachable(failure: Failure): Unreachable {
  const cause = (CAUSES.has(failure.code) ? failure.code : 'other') as UnreachableCause;
  return { cause, message: failure.reason, hint: failure.hint };
}

const NOTHING: Omit<GraphAssessment, 'state' | 'name' | 'address'> = {
  memories: 0,
  nodes: 0,
  relationships: 0,
  byLabel: {},
  byType: {},
  byRelationship: {},
  version: null,
  resultCap: null,
  queryTimeoutMs: null,
  persistence: null,
  leftovers: [],
  latencyMs: null,
  readRate: null,
};

export interface GraphReport {
  assessment: GraphAssessment;
  findings: Finding[];
  facts: GraphServerFacts | null;
}

/** What survived in the graph server. Reads only. Never throws for a server that cannot be reached: that is a finding. */
export async function assessGraph(address: GraphAddress, name: string): Promise<GraphReport> {
  const base = { name, address: `${address.host}:${address.port}` };
  let store: GraphStore;
  try {
    store = await GraphStore.open(address);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return unreachableReport(base, error);
  }
  try {
    return await look(store, base);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return unreachableReport(base, error);
  } finally {
    store.close();
  }
}

function unreachableReport(base: { name: string; address: string }, failure: Failure): GraphReport {
  const cause = unreachable(failure);
  return {
    assessment: { ...NOTHING, ...base, state: 'unreachable', unreachable: cause },
    findings: [
      {
        severity: 'problem',
        code: `graph-${cause.cause}`,
        message: `The graph server at ${base.address} cannot be used: ${cause.message}.`,
        action: cause.hint,
      },
    ],
    facts: null,
  };
}

async function look(store: GraphStore, base: { name: string; address: string }): Promise<GraphReport> {
  const started = performance.now();
  await store.command('reach the graph server', 'PING');
  const latencyMs = performance.now() - started;
  const [facts, keys, kind] = await Promise.all([
    readServerFacts(store),
    store.graphs(),
    store.kindOf(base.name),
  ]);
  store.queryTimeoutMs = queryTimeout(facts);
  const findings = persistenceFindings(facts);
  const { name } = base;
  const leftovers = keys.filter((key) =>
    ['lifeboat', 'before', 'undone'].some((kind) => key.startsWith(`{${name}}:${kind}:`)),
  );
  const known = {
    ...NOTHING,
    ...base,
    version: facts.version,
    persistence: facts.persistence,
    resultCap: facts.resultCap,
    queryTimeoutMs: facts.queryTimeoutMs,
    leftovers,
    latencyMs,
  };
  findings.push(...leftoverFindings(leftovers));
  if (kind !== 'graph') {
    // A graph that was deleted a moment ago may still be in the server's list.
    findings.push(
      ...missingFindings(
        name,
        kind,
        keys.filter((key) => key !== name && !leftovers.includes(key)),
      ),
    );
    return { assessment: { ...known, state: 'lost' }, findings, facts };
  }
  const contents = await readContents(store, name);
  if (contents.memories === 0) {
    findings.push({
      severity: 'problem',
      code: 'graph-empty',
      message: `The graph "${name}" is there but holds no memories${contents.nodes > 0 ? ` (only ${contents.nodes} other nodes)` : ''}.`,
    });
  }
  return {
    assessment: { ...known, ...contents, state: contents.memories === 0 ? 'empty' : 'intact' },
    findings,
    facts,
  };
}

async function readContents(
  store: GraphStore,
  name: string,
): Promise<
  Pick<
    GraphAssessment,
    'nodes' | 'memories' | 'relationships' | 'byLabel' | 'byType' | 'byRelationship' | 'readRate'
  >
> {
  const [survey, byType] = await Promise.all([store.survey(name), store.memoryTypes(name)]);
  return { ...survey, byType, readRate: survey.nodes === 0 ? null : await measureReadRate(store, name) };
}

/** Nodes a second over one page: enough to tell minutes from hours. */
async function measureReadRate(store: GraphStore, name: string): Promise<number | null> {
  const started = performance.now();
  const rows = await store.rows(name, `MATCH (n) WHERE id(n) >= 0 AND id(n) < ${PAGE_ROWS / 4} RETURN n`);
  const seconds = (performance.now() - started) / 1000;
  return rows.length === 0 ? null : Math.round(rows.length / seconds);
}

function missingFindings(name: string, kind: 'other' | 'none', others: string[]): Finding[] {
  const finding: Finding =
    kind === 'other'
      ? {
          severity: 'problem',
          code: 'graph-not-a-graph',
          message: `The key "${name}" exists but is not a graph.`,
          action: 'Check FALKORDB_GRAPH and which database this is.',
        }
      : { severity: 'problem', code: 'graph-lost', message: `There is no graph "${name}" on this server.` };
  if (kind === 'none' && others.length > 0) {
    finding.action = `The server holds other graphs (${others.slice(0, 5).join(', ')}): check FALKORDB_GRAPH first.`;
  }
  return [finding];
}

/** The run that a key was made by. */
function runOf(key = ''): string {
  return key.slice(key.lastIndexOf(':') + 1);
}

function leftoverFindings(leftovers: string[]): Finding[] {
  const staging = leftovers.filter((key) => key.includes(':lifeboat:'));
  const replaced = leftovers.filter((key) => !staging.includes(key));
  const findings: Finding[] = [];
  if (staging.length > 0) {
    findings.push({
      severity: 'warning',
      code: 'staging-left',
      message: `A run that was stopped left a staging graph: ${staging.join(', ')}. It is not live.`,
      action: `The run can go on: lifeboat runs resume ${runOf(staging[0])}. To free its memory instead: lifeboat runs forget ${runOf(staging[0])}`,
    });
  }
  if (replaced.length > 0) {
    findings.push({
      severity: 'info',
      code: 'replaced-graphs-kept',
      message: `Graphs from before earlier runs, or undone ones, are still kept: ${replaced.join(', ')}.`,
      action:
        'See which run each belongs to with: lifeboat runs list. When you no longer need one: lifeboat runs forget RUN',
    });
  }
  return findings;
}
