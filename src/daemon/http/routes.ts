import type { IncomingMessage } from 'node:http';

import type { DaemonMetrics } from '../metrics.js';
import type { BackupRequest } from '../jobs.js';
import type { Need } from './access.js';
import { errorBody, Refusal, type Answer } from './answer.js';
import { readBackupRequest } from './body.js';

/** What the paths are answered from. */
export interface Served {
  /** What is wrong, for anybody to read; empty where all is well. */
  troubles: () => readonly string[];
  /** What is not well but no reason to call the daemon unhealthy, for anybody to read. */
  warnings: () => readonly string[];
  status: () => object;
  metrics: DaemonMetrics;
  /** May throw a Failure. */
  listBackups: () => Promise<object>;
  /** May throw a Failure. */
  listRuns: () => Promise<object>;
  /** @throws Failure where such a backup cannot be made as the settings are */
  checkBackup: (request: BackupRequest) => void;
  /** @returns the id of the run; null where a backup is queued or at work already */
  requestBackup: (request: BackupRequest) => string | null;
  /** Whether the daemon is about to end, and begins nothing more. */
  isStopping: () => boolean;
}

export interface Route {
  method: 'GET' | 'POST';
  need: Need;
  answer: (request: IncomingMessage) => Promise<Answer> | Answer;
}

/** Path → what it answers. */
export function routes(served: Served): ReadonlyMap<string, Route> {
  return new Map<string, Route>([
    ['/healthz', { method: 'GET', need: 'nothing', answer: () => health(served) }],
    ['/metrics', { method: 'GET', need: 'scrape', answer: () => scrape(served.metrics) }],
    ['/api/backup/status', { method: 'GET', need: 'read', answer: () => status(served) }],
    ['/api/backup/list', { method: 'GET', need: 'read', answer: async () => ok(await served.listBackups()) }],
    ['/api/runs', { method: 'GET', need: 'read', answer: async () => ok(await served.listRuns()) }],
    ['/api/backup/now', { method: 'POST', need: 'write', answer: (request) => backupNow(served, request) }],
  ]);
}

function health(served: Served): Answer {
  const troubles = served.troubles();
  const warnings = served.warnings();
  const warned = warnings.length === 0 ? {} : { warnings };
  if (troubles.length === 0) return ok(warned);
  return {
    status: 503,
    body: { ...errorBody('unhealthy', troubles.join('; ')), troubles, reasons: troubles, ...warned },
  };
}

/** It is told whatever is wrong: the word in it, and not the answer's code, says that something is. */
function status(served: Served): Answer {
  const isWell = served.troubles().length === 0;
  return { status: 200, body: { status: isWell ? 'ok' : 'unhealthy', ...served.status() } };
}

async function scrape(metrics: DaemonMetrics): Promise<Answer> {
  return { status: 200, body: await metrics.text(), headers: { 'content-type': metrics.contentType } };
}

async function backupNow(served: Served, request: IncomingMessage): Promise<Answer> {
  const asked = await readBackupRequest(request);
  served.checkBackup(asked);
  if (served.isStopping()) throw new Refusal(503, 'stopping', 'The daemon is about to end.');
  const id = served.requestBackup(asked);
  if (id === null) throw new Refusal(409, 'backup-under-way', 'A backup is queued or at work already.');
  return { status: 202, body: { status: 'accepted', id, ...asked } };
}

function ok(body: object): Answer {
  return { status: 200, body: { status: 'ok', ...body } };
}
