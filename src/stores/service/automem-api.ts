import type { Agent } from 'undici';
import { ExitCode, Failure } from '../../failure.js';
import { apiFailure, type ApiProblem } from './api-failure.js';
import {
  readHealth,
  readReembed,
  readSync,
  type HealthReport,
  type ReembedReport,
  type SyncReport,
} from './api-reports.js';

/** Where AutoMem's service is and how to get in. */
export interface ApiAddress {
  /** Base URL without a trailing slash. */
  readonly url: string;
  /** Null where the service asks for none. */
  readonly apiToken: string | null;
  readonly adminToken: string | null;
  /** Milliseconds for a question that is answered at once; 10 s unless told. */
  readonly timeoutMs?: number;
  /** Milliseconds for one that AutoMem answers when its work is done; an hour unless told. */
  readonly workTimeoutMs?: number;
}

interface Call {
  readonly operation: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

const CONNECT_MS = 5_000;
const ANSWER_MS = 10_000;
const WORK_MS = 3_600_000;
/** AutoMem takes no more at a time. */
const MAX_BATCH = 100;

/**
 * AutoMem's own HTTP API, for what only its service can do: embed with a model that runs inside it. Every method throws
 * Failure (see api-failure.ts), and the signal's reason once that is aborted.
 *
 * AutoMem answers HTTP 200 even where every memory failed: look at `failed`. And it reads the graph without paging, so on
 * a server with a result cap it sees the first 10,000 memories only, and says nothing of the rest: compare with a count.
 */
export class AutomemApi {
  #agent: Agent | null = null;

  constructor(readonly address: ApiAddress) {}

  async close(): Promise<void> {
    await this.#agent?.destroy();
    this.#agent = null;
  }

  /** How the service sees its stores; needs no token. */
  async health(options: { signal?: AbortSignal } = {}): Promise<HealthReport> {
    const call: Call = {
      operation: 'ask AutoMem for its health',
      method: 'GET',
      path: '/health',
      timeoutMs: this.address.timeoutMs ?? ANSWER_MS,
      signal: options.signal,
    };
    return this.#ask(call, readHealth);
  }

  /**
   * Embeds memories that have no vector; those that have one are left as they are. Can be sent again after it broke.
   *
   * @param options.batchSize 1 to 100; 32 unless told. `dryRun` only counts.
   */
  async sync(
    options: { batchSize?: number; dryRun?: boolean; signal?: AbortSignal } = {},
  ): Promise<SyncReport> {
    const body = { batch_size: batchSize(options.batchSize), dry_run: options.dryRun === true };
    const operation = 'have AutoMem embed the missing memories';
    return this.#ask(this.#work(operation, '/admin/sync', body, options.signal), readSync);
  }

  /**
   * Embeds all memories anew, the newest first. The points lose what AutoMem does not write here: `archived`,
   * `tag_prefixes`, `relevance_score`, `t_valid`, `t_invalid`.
   *
   * @param options.limit only so many, the newest; all unless told.
   */
  async reembed(
    options: { batchSize?: number; limit?: number; force?: boolean; signal?: AbortSignal } = {},
  ): Promise<ReembedReport> {
    const body = {
      batch_size: batchSize(options.batchSize),
      force: options.force === true,
      ...(options.limit === undefined ? {} : { limit: options.limit }),
    };
    const operation = 'have AutoMem embed all memories';
    return this.#ask(this.#work(operation, '/admin/reembed', body, options.signal), readReembed);
  }

  #work(operation: string, path: string, body: unknown, signal: AbortSignal | undefined): Call {
    if (this.address.adminToken === null) {
      throw new Failure({
        operation,
        subject: this.address.url,
        reason: 'ADMIN_API_TOKEN is not set, and AutoMem asks for it',
        hint: 'Set ADMIN_API_TOKEN to the same value as in AutoMem.',
        exitCode: ExitCode.usage,
        code: 'api-admin-token-missing',
      });
    }
    const timeoutMs = this.address.workTimeoutMs ?? WORK_MS;
    return { operation, method: 'POST', path, body, timeoutMs, signal };
  }

  async #ask<T>(call: Call, read: (answer: unknown) => T | null): Promise<T> {
    const { status, text } = await this.#send(call);
    const answer = parsed(text);
    if (status >= 400) throw this.#failure(call, { kind: 'http', status, message: messageOf(answer, text) });
    const report = status < 300 ? read(answer) : null;
    if (report === null) throw this.#failure(call, { kind: 'foreign' });
    return report;
  }

  async #send({ method, path, body, timeoutMs, signal, ...call }: Call): Promise<{
    status: number;
    text: string;
  }> {
    const limit = AbortSignal.timeout(timeoutMs);
    const { request } = await import('undici');
    try {
      const response = await request(`${this.address.url}${path}`, {
        method,
        headers: method === 'GET' ? {} : this.#headers(),
        body: body === undefined ? null : JSON.stringify(body),
        dispatcher: await this.#dispatcher(),
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      });
      return { status: response.statusCode, text: await response.body.text() };
    } catch (error) {
      signal?.throwIfAborted();
      const problem: ApiProblem = limit.aborted ? { kind: 'timeout', timeoutMs } : { kind: 'network', error };
      throw this.#failure(call, problem);
    }
  }

  /**
   * With no time limit of its own for an answer: AutoMem begins it when the work is done, and fetch gives up after five
   * minutes.
   */
  async #dispatcher(): Promise<Agent> {
    const undici = await import('undici');
    this.#agent ??= new undici.Agent({
      connect: { timeout: CONNECT_MS },
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return this.#agent;
  }

  #headers(): Record<string, string> {
    const { apiToken, adminToken } = this.address;
    return {
      'content-type': 'application/json',
      ...(apiToken === null ? {} : { authorization: `Bearer ${apiToken}` }),
      ...(adminToken === null ? {} : { 'x-admin-token': adminToken }),
    };
  }

  #failure({ operation }: Pick<Call, 'operation'>, problem: ApiProblem): Failure {
    return apiFailure(operation, this.address, problem);
  }
}

function batchSize(wanted = 32): number {
  return Math.max(1, Math.min(MAX_BATCH, Math.trunc(wanted)));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** AutoMem's `{status, code, message}`, or the beginning of whatever came instead. */
function messageOf(answer: unknown, text: string): string {
  const { message } = (answer ?? {}) as { message?: unknown };
  return (typeof message === 'string' ? message : text).replaceAll(/\s+/g, ' ').slice(0, 200);
}
