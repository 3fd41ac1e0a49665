import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request on its way to moto. */
export interface S3Request {
  method: string;
  /** Path and query. */
  url: string;
  headers: IncomingMessage['headers'];
}

/** What happens to a request instead: an answer; "cut" breaks the connection, "lose" does so after moto was asked. */
export type S3Fate =
  'cut' | 'lose' | { status: number; headers?: Record<string, string>; code?: string; body?: string };

/** An HTTP proxy in front of moto. */
export interface S3Front {
  endpoint: string;
  /** Every request so far. */
  requests: S3Request[];
  /** Decides about each request; null lets it through. */
  decide: (request: S3Request) => S3Fate | null;
  /** From now on, the conditions of conditional writes are passed over, as some stores do. */
  ignoreConditions: boolean;
  /** Loses the answer to the next write that succeeds, once. */
  loseAnswer: boolean;
  stop(): Promise<void>;
}

/**
 * Lets requests through one at a time: moto looks at a condition and writes in two steps, S3 in one. What happens at the
 * same instant is then decided as S3 decides it.
 */
export async function startS3Front(target: string): Promise<S3Front> {
  let turn: Promise<unknown> = Promise.resolve();
  const server = createServer((incoming, answer) => {
    turn = turn.then(() => pass(incoming, answer, target, front)).catch(() => incoming.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const front: S3Front = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    decide: () => null,
    ignoreConditions: false,
    loseAnswer: false,
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return front;
}

async function suffer(
  fate: Exclude<S3Fate, 'lose'>,
  incoming: IncomingMessage,
  answer: ServerResponse,
): Promise<void> {
  if (fate === 'cut') {
    incoming.destroy();
    return;
  }
  incoming.resume();
  await once(incoming, 'end');
  const { status, headers = {}, code = '', body } = fate;
  const error = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`;
  answer.writeHead(status, { 'content-type': 'application/xml', ...headers });
  answer.end(incoming.method === 'HEAD' ? undefined : (body ?? error));
}

async function pass(
  incoming: IncomingMessage,
  answer: ServerResponse,
  target: string,
  front: S3Front,
): Promise<void> {
  const { 'if-match': match, 'if-none-match': noneMatch, ...headers } = incoming.headers;
  const conditions = {
    ...(match === undefined ? {} : { 'if-match': match }),
    ...(noneMatch === undefined ? {} : { 'if-none-match': noneMatch }),
  };
  const { method = 'GET', url = '/' } = incoming;
  const asked = { method, url, headers: incoming.headers };
  front.requests.push(asked);
  const fate = front.decide(asked);
  if (fate !== null && fate !== 'lose') return suffer(fate, incoming, answer);
  await new Promise<void>((resolve, reject) => {
    const outgoing = request(
      new URL(url, target),
      { method, headers: { ...headers, ...(front.ignoreConditions ? {} : conditions) } },
      (reply) => {
        reply.on('end', resolve).on('error', reject);
        if (fate === 'lose' || (front.loseAnswer && method === 'PUT' && reply.statusCode === 200)) {
          front.loseAnswer = false;
          reply.resume();
          answer.destroy();
          return;
        }
        answer.writeHead(reply.statusCode ?? 500, reply.headers);
        reply.pipe(answer);
      },
    );
    outgoing.on('error', reject);
    incoming.pipe(outgoing);
  });
}
