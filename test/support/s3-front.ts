import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An HTTP proxy in front of moto. */
export interface S3Front {
  endpoint: string;
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
    ignoreConditions: false,
    loseAnswer: false,
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return front;
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
  await new Promise<void>((resolve, reject) => {
    const outgoing = request(
      new URL(url, target),
      { method, headers: { ...headers, ...(front.ignoreConditions ? {} : conditions) } },
      (reply) => {
        reply.on('end', resolve).on('error', reject);
        if (front.loseAnswer && method === 'PUT' && reply.statusCode === 200) {
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
