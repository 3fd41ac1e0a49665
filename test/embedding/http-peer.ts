import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PeerRequest {
  path: string;
  headers: IncomingHttpHeaders;
  body: unknown;
}

/** `json` is sent as JSON, `text` as it is, `hang` is never answered, `cut` breaks the connection. */
export type PeerReply =
  { status?: number; headers?: Record<string, string>; json?: unknown; text?: string } | 'hang' | 'cut';

/** A real HTTP server on the loopback address that answers as it is told to. */
export interface HttpPeer {
  readonly url: string;
  readonly requests: PeerRequest[];
  stop(): Promise<void>;
}

export async function startPeer(
  answer: (request: PeerRequest, index: number) => PeerReply,
): Promise<HttpPeer> {
  const requests: PeerRequest[] = [];
  const server: Server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const body: unknown = text === '' ? null : JSON.parse(text);
      const request = { path: incoming.url ?? '', headers: incoming.headers, body };
      const reply = answer(request, requests.push(request) - 1);
      if (reply === 'hang') return;
      if (reply === 'cut') return void incoming.socket.destroy();
      response.writeHead(reply.status ?? 200, { 'content-type': 'application/json', ...reply.headers });
      response.end(reply.text ?? JSON.stringify(reply.json));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
