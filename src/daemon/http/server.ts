import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

import { ExitCode, Failure } from '../../failure.js';
import { Access, type Keys } from './access.js';
import { errorBody, Refusal, type Answer } from './answer.js';
import { isLoopbackHost } from './host-header.js';
import { formatListen, isLoopback, type ListenAddress } from './listen-address.js';
import { limitedAs, RateLimit } from './rate-limit.js';
import { routes, type Route, type Served } from './routes.js';

export interface ServerOptions {
  listen: ListenAddress;
  keys: Keys;
  served: Served;
  /** Takes secrets out of messages. */
  redact: (text: string) => string;
  /** Milliseconds of a clock that is never put back, for the limits. */
  now?: () => number;
}

export interface RunningServer {
  /** "127.0.0.1:8787", with the port that was taken. */
  address: string;
  /** Answers what has begun, and takes nothing new. */
  close(): Promise<void>;
}

const PER_MINUTE = 60;
const POSTS_PER_MINUTE = 6;

const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 8 * 1024,
};
const MOST_CONNECTIONS = 64;
/** What is still open so long after the end began is cut. */
const CLOSE_MS = 2_000;

const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
};

/**
 * Serves health, metrics and the API of the daemon. Whether the address may be listened on is the caller's to decide, see
 * refuseOpenListen.
 *
 * @throws Failure (exit 1) where the address cannot be listened on
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const door = new Door(options);
  const server = createServer(LIMITS, (request, response) => {
    void door.answer(request).then((answer) => send(request, response, answer));
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.on('clientError', refuseBroken);
  await listen(server, options.listen);
  const { port } = server.address() as AddressInfo;
  return {
    address: formatListen({ host: options.listen.host, port }),
    close: () => close(server),
  };
}

/** Decides for each request whether it is let in, and has it answered. */
class Door {
  private readonly table: ReadonlyMap<string, Route>;
  private readonly access: Access;
  private readonly all: RateLimit;
  private readonly posts: RateLimit;
  private readonly isLoopback: boolean;

  constructor(private readonly options: ServerOptions) {
    const now = options.now ?? (() => performance.now());
    this.table = routes(options.served);
    this.access = new Access(options.keys, now);
    this.all = new RateLimit(PER_MINUTE, now);
    this.posts = new RateLimit(POSTS_PER_MINUTE, now);
    this.isLoopback = isLoopback(options.listen.host);
  }

  /** Never rejects. */
  async answer(request: IncomingMessage): Promise<Answer> {
    try {
      return await this.let(request).answer(request);
    } catch (error) {
      if (error instanceof Refusal) return error.answer;
      return this.failure(error);
    }
  }

  private let(request: IncomingMessage): Route {
    const address = limitedAs(request.socket.remoteAddress);
    const wait = this.all.take(address) || (request.method === 'POST' ? this.posts.take(address) : 0);
    if (wait > 0)
      throw new Refusal(429, 'too-many-requests', `Too many requests; wait ${wait} s.`, {
        'retry-after': String(wait),
      });
    if (this.isLoopback && !isLoopbackHost(request.headers.host))
      throw new Refusal(
        403,
        'host-not-local',
        'On the loopback address only requests to 127.0.0.1, [::1] or localhost are answered.',
      );
    // What follows a question mark has no meaning for any path.
    const route = this.table.get((request.url ?? '').split('?')[0] ?? '');
    if (route === undefined) throw new Refusal(404, 'not-found', 'There is no such path.');
    refuseOtherMethods(route, request);
    this.access.check(route.need, request.headers, address);
    return route;
  }

  /** What a path could not do is told as it is told on the command line; a bug only that it is one. */
  private failure(error: unknown): Answer {
    if (!(error instanceof Failure))
      return { status: 500, body: errorBody('internal', 'This is a bug in Lifeboat.') };
    const status = error.exitCode === ExitCode.usage ? 400 : 503;
    return { status, body: errorBody(error.code, this.options.redact(`${error.message}. ${error.hint}`)) };
  }
}

function refuseOtherMethods({ method }: Route, request: IncomingMessage): void {
  const allowed = method === 'GET' ? ['GET', 'HEAD'] : [method];
  if (allowed.includes(request.method ?? '')) return;
  const allow = allowed.join(', ');
  throw new Refusal(405, 'method-not-allowed', `This path takes ${allow} only.`, { allow });
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const isText = typeof answer.body === 'string';
  const body = Buffer.from(isText ? (answer.body as string) : `${JSON.stringify(answer.body)}\n`);
  response.writeHead(answer.status, {
    ...HEADERS,
    'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8',
    'content-length': body.length,
    ...answer.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** How long a connection stays open for its last answer, in milliseconds. */
const GOODBYE_MS = 1_000;

const BROKEN: Partial<Record<string, [status: string, code: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'headers-too-large',
    'The headers are too large.',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'too-slow', 'The request took too long.'],
};

/** What never became a request. */
function refuseBroken(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const [status, code, message] = BROKEN[error.code ?? ''] ?? [
    '400 Bad Request',
    'bad-request',
    'This is no request in HTTP.',
  ];
  const body = `${JSON.stringify(errorBody(code, message))}\n`;
  const headers = { ...HEADERS, 'content-type': 'application/json; charset=utf-8', connection: 'close' };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.end(
    [`HTTP/1.1 ${status}`, ...lines, `content-length: ${Buffer.byteLength(body)}`, '', body].join('\r\n'),
  );
  // Whoever does not even read the answer must not hold a connection for ever.
  setTimeout(() => socket.destroy(), GOODBYE_MS).unref();
}

function listen(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenFailure(address, error)));
    server.listen({ host: address.host, port: address.port }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

function listenFailure(address: ListenAddress, error: NodeJS.ErrnoException): Failure {
  const reasons: Partial<Record<string, string>> = {
    EADDRINUSE: 'something else listens there already',
    EADDRNOTAVAIL: 'this machine has no such address',
    EACCES: 'this user may not listen there',
    ENOTFOUND: 'there is no host of that name',
  };
  return new Failure(
    {
      operation: 'listen',
      subject: formatListen(address),
      reason: reasons[error.code ?? ''] ?? error.message,
      hint: 'Choose another with --listen HOST:PORT, or take --no-http.',
      exitCode: ExitCode.failed,
      code: 'listen-failed',
    },
    { cause: error },
  );
}

async function close(server: Server): Promise<void> {
  const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS).unref();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(cut);
}
