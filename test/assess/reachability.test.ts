import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { assessGraph } from '../../src/assess/assess-graph.js';
import { assessVectors } from '../../src/assess/assess-vectors.js';
import { ensureEngines } from '../../src/sandbox/engines.js';
import { askRedis } from '../../src/sandbox/redis-probe.js';
import { engineEnvironment, freePort, ServerProcess } from '../../src/sandbox/server-process.js';
import { startEngines, type TestEngines } from '../support/engines.js';

let engines: TestEngines;
const servers: Server[] = [];

beforeAll(async () => {
  engines = await startEngines({ password: 'right', apiKey: 'right' });
});

afterAll(async () => {
  for (const server of servers) server.close();
  await engines.stop();
});

/** A server that is none of ours: what cannot be had from a real one at a chosen moment. */
async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.on('connection', (socket) => socket.on('error', () => undefined));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const silent = (): Promise<number> => listen(createServer());
const answering = (text: string): Promise<number> =>
  listen(
    createServer((socket) => {
      // One answer for each command of a batch.
      socket.on(
        'data',
        (chunk) => void socket.write(text.repeat(chunk.toString('latin1').match(/\*\d+\r\n/g)?.length ?? 1)),
      );
    }),
  );
/** Speaks TLS without a certificate: enough for a client that does not, and for one that wants a certificate. */
const speakingTls = (): Promise<number> => {
  const server = createTlsServer({
    ciphers: 'PSK',
    pskCallback: () => null,
    pskIdentityHint: 'x',
    maxVersion: 'TLSv1.2',
  });
  server.on('tlsClientError', () => undefined);
  return listen(server);
};

interface Expected {
  cause: string;
  message: RegExp;
  hint: RegExp;
}

describe('the graph server', () => {
  const host = '127.0.0.1';
  const assessed = async (
    address: { host: string; port: number; password?: string; tls?: boolean },
    expected: Expected,
  ): Promise<void> => {
    const { assessment, findings } = await assessGraph(address, 'memories');
    expect(assessment.state).toBe('unreachable');
    expect(assessment.unreachable).toEqual({
      cause: expected.cause,
      message: expect.stringMatching(expected.message) as string,
      hint: expect.stringMatching(expected.hint) as string,
    });
    expect(findings).toEqual([
      expect.objectContaining({ severity: 'problem', code: `graph-${expected.cause}` }),
    ]);
    expect(JSON.stringify(findings)).not.toContain('wrong-pw');
  };

  it('nothing listens', () =>
    assessed(
      { host, port: 1 },
      { cause: 'refused', message: /nothing listens on 127\.0\.0\.1:1$/, hint: /FALKORDB_HOST/ },
    ));
  it('no such host', () =>
    assessed(
      { host: 'no-such-host.invalid', port: 6379 },
      { cause: 'unknown-host', message: /cannot be resolved/, hint: /FALKORDB_HOST/ },
    ));
  it('a private host of Railway', () =>
    assessed(
      { host: 'falkordb.railway.internal', port: 6379 },
      { cause: 'private-host', message: /inside its Railway project/, hint: /public TCP proxy/ },
    ));
  it('wrong password', () =>
    assessed(
      { ...engines.graph, password: 'wrong-pw' },
      { cause: 'wrong-credentials', message: /password/, hint: /FALKORDB_PASSWORD/ },
    ));
  it('no password where one is needed', () =>
    assessed(
      { host, port: engines.graph.port },
      { cause: 'wrong-credentials', message: /password/, hint: /FALKORDB_PASSWORD/ },
    ));
  it.concurrent('TLS here, none there', () =>
    assessed({ ...engines.graph, tls: true }, { cause: 'tls', message: /TLS/, hint: /FALKORDB_TLS/ }),
  );
  it('TLS there, none here', async () =>
    assessed({ host, port: await speakingTls() }, { cause: 'tls', message: /TLS/, hint: /FALKORDB_TLS/ }));
  it('a TLS handshake that fails', async () =>
    assessed(
      { host, port: await speakingTls(), tls: true },
      { cause: 'tls', message: /TLS/, hint: /FALKORDB_CA_FILE/ },
    ));
  it('still loading its data', async () =>
    assessed(
      { host, port: await answering('-LOADING Redis is loading the dataset in memory\r\n') },
      { cause: 'loading', message: /loading/, hint: /Wait/ },
    ));
  it.concurrent('silent: the wait ends, and its length is named', async () =>
    assessed({ host, port: await silent() }, { cause: 'timeout', message: /within 5 s/, hint: /firewall/ }),
  );
  it('something else than Redis', async () =>
    assessed(
      { host, port: await answering('HTTP/1.1 400 Bad Request\r\n\r\n') },
      { cause: 'other', message: /not.*Redis/, hint: /FALKORDB_PORT/ },
    ));

  it('a Redis without the module', async () => {
    const { redisServer } = await ensureEngines({ env: process.env });
    const folder = await mkdtemp(join(tmpdir(), 'lifeboat-plain-'));
    const port = await freePort();
    const server = ServerProcess.start({
      name: 'a plain server',
      command: redisServer,
      args: ['-'],
      env: engineEnvironment(process.env),
      input: `port ${port}\nbind ${host}\nsave ""\ndir "${folder}"\n`,
      logFile: join(folder, 'log'),
      life: 'child',
    });
    try {
      await server.untilReady(async () => (await askRedis({ host, port })).ready, 10_000);
      await assessed(
        { host, port },
        { cause: 'module-missing', message: /without the FalkorDB module/, hint: /loadmodule/ },
      );
    } finally {
      await server.kill();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('Qdrant', () => {
  const assessed = async (url: string, expected: Expected, apiKey = 'right'): Promise<void> => {
    const { assessment, findings } = await assessVectors({ url, apiKey, timeoutMs: 1_000 }, 'memories', []);
    expect(assessment.state).toBe('unreachable');
    expect(assessment.unreachable).toEqual({
      cause: expected.cause,
      message: expect.stringMatching(expected.message) as string,
      hint: expect.stringMatching(expected.hint) as string,
    });
    expect(findings).toEqual([
      expect.objectContaining({ severity: 'problem', code: `vectors-${expected.cause}` }),
    ]);
    expect(JSON.stringify(findings)).not.toContain('wrong-key');
  };
  const local = (port: number, scheme = 'http'): string => `${scheme}://127.0.0.1:${port}`;

  it('nothing listens', () =>
    assessed(local(1), { cause: 'refused', message: /nothing listens/, hint: /Start Qdrant/ }));
  it('no such host', () =>
    assessed('http://no-such-host.invalid:6333', {
      cause: 'unknown-host',
      message: /cannot be resolved/,
      hint: /QDRANT_URL/,
    }));
  it('a private host of Railway', () =>
    assessed('http://qdrant.railway.internal:6333', {
      cause: 'private-host',
      message: /inside its Railway project/,
      hint: /public address/,
    }));
  it('wrong key', () =>
    assessed(
      engines.vectors.url,
      { cause: 'wrong-credentials', message: /API key/, hint: /QDRANT_API_KEY/ },
      'wrong-key',
    ));
  it('https here, http there', () =>
    assessed(engines.vectors.url.replace('http:', 'https:'), {
      cause: 'tls',
      message: /TLS/,
      hint: /http or https in QDRANT_URL/,
    }));
  it('https there, http here', async () =>
    assessed(local(await speakingTls()), {
      cause: 'tls',
      message: /TLS/,
      hint: /http or https in QDRANT_URL/,
    }));
  it('a TLS handshake that fails', async () =>
    assessed(local(await speakingTls(), 'https'), {
      cause: 'tls',
      message: /TLS/,
      hint: /http or https in QDRANT_URL/,
    }));
  it.concurrent('silent: the wait ends, and its length is named', async () =>
    assessed(local(await silent()), {
      cause: 'timeout',
      message: /within 1 s/,
      hint: /QDRANT_TIMEOUT_SECONDS/,
    }),
  );
  it('not ready yet', async () => {
    const port = await listen(
      createHttpServer((_, response) => void response.writeHead(503).end('starting')),
    );
    await assessed(local(port), { cause: 'loading', message: /503/, hint: /Wait/ });
  });
  it('something else than Qdrant', async () => {
    const port = await listen(
      createHttpServer((_, response) => void response.writeHead(200).end('<html>hello</html>')),
    );
    await assessed(local(port), { cause: 'other', message: /not.*Qdrant/, hint: /QDRANT_URL/ });
  });
});
