import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { provision } from '../../../src/sandbox/provision.js';

const script = fileURLToPath(new URL('../../../src/sandbox/qdrant-server/server.py', import.meta.url));

/** The Python that has the server's packages: $LIFEBOAT_TEST_PYTHON, or the one in Lifeboat's cache. */
async function serverPython(): Promise<string> {
  const named = process.env['LIFEBOAT_TEST_PYTHON'];
  if (named !== undefined && named !== '') return named;
  return (await provision({ env: process.env, onProgress: () => undefined })).python;
}

/** An answer: its status, the text as it came, and that text as JSON (undefined if it is none). */
export interface Answer {
  status: number;
  text: string;
  json: unknown;
}

/** A server of one test file. */
export interface TestServer {
  url: string;
  storage: string;
  /** Sends one request. `body` is JSON, or text to be sent as it is. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Like `call`, for a request that has to succeed: gives its `result`. */
  result<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  /** Ends it as a crash would, and starts it again on the same storage; the port is another. */
  crashAndRestart(): Promise<void>;
  /** Ends it as a crash would. */
  crash(): Promise<void>;
  /** Asks it to end; gives its exit code. */
  terminate(): Promise<number | null>;
  /** Starts it again after its end. */
  start(): Promise<void>;
  /** Ends it and removes its storage. */
  remove(): Promise<void>;
}

/** Starts a server with an empty storage. */
export async function startServer(apiKey?: string): Promise<TestServer> {
  const python = await serverPython();
  const storage = mkdtempSync(join(tmpdir(), 'lifeboat-qdrant-'));
  let child: ChildProcess | undefined;
  const server: TestServer = {
    url: '',
    storage,
    call: (method, path, body, headers) => call(server.url, method, path, body, headers),
    result: async <T>(method: string, path: string, body?: unknown): Promise<T> => {
      const answer = await server.call(method, path, body);
      if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
      return (answer.json as { result: T }).result;
    },
    start: async () => {
      const started = await spawnServer(python, storage, apiKey);
      child = started.child;
      server.url = `http://127.0.0.1:${started.port}`;
    },
    crash: () => end(child, 'SIGKILL').then(() => undefined),
    terminate: () => end(child, 'SIGTERM'),
    crashAndRestart: async () => {
      await server.crash();
      await server.start();
    },
    remove: async () => {
      await end(child, 'SIGKILL');
      rmSync(storage, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

async function spawnServer(
  python: string,
  storage: string,
  apiKey: string | undefined,
): Promise<{ child: ChildProcess; port: number }> {
  const env = { ...process.env, ...(apiKey === undefined ? {} : { QDRANT__SERVICE__API_KEY: apiKey }) };
  const child = spawn(python, [script, '--host', '127.0.0.1', '--port', '0', '--storage', storage], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  for await (const line of createInterface({ input: child.stdout })) {
    const port = /^ready port=(\d+)$/.exec(line)?.[1];
    if (port !== undefined) return { child, port: Number(port) };
  }
  throw new Error(`the server ended before it was ready: ${errors}`);
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<number | null> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return null;
  const exited = once(child, 'exit') as Promise<[number | null]>;
  child.kill(signal);
  return (await exited)[0];
}

async function call(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const content = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(url + path, {
    method,
    headers: { ...(content === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(content === undefined ? {} : { body: content }),
  });
  const text = await response.text();
  return { status: response.status, text, json: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The text of an error answer. */
export function errorOf(answer: Answer): string {
  return (answer.json as { status: { error: string } }).status.error;
}
