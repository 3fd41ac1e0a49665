import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { errorOf, startServer, type TestServer } from './server-process.js';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  await server.result('PUT', '/collections/c', { vectors: { size: 4, distance: 'Cosine' } });
});
afterAll(() => server.remove());

describe('service', () => {
  it('says what it is', async () => {
    const answer = await server.call('GET', '/');
    expect(answer.json).toEqual({
      title: 'qdrant - vector search engine',
      version: expect.stringMatching(/^1\.18\.\d+$/) as string,
      commit: expect.any(String) as string,
    });
  });

  it.each([
    ['/healthz', 'healthz check passed'],
    ['/livez', 'healthz check passed'],
    ['/readyz', 'all shards are ready'],
  ])('answers %s in plain text', async (path, text) => {
    const response = await fetch(server.url + path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await response.text()).toBe(text);
  });

  it('wraps results with a status and the time in seconds', async () => {
    const answer = await server.call('GET', '/collections');
    expect(answer.json).toEqual({
      result: { collections: [{ name: 'c' }] },
      status: 'ok',
      time: expect.any(Number) as number,
    });
  });

  it('ignores doubled and trailing slashes', async () => {
    expect((await server.call('GET', '//collections//c/exists/')).status).toBe(200);
  });

  it.each([
    ['GET', '/nothing'],
    ['POST', '/collections'],
    ['PATCH', '/collections/c/points'],
  ])('answers %s %s with a 404 in the shape of every other error', async (method, path) => {
    const { status, json } = await server.call(method, path);
    expect([status, json]).toEqual([
      404,
      { status: { error: `Not found: no route for ${method} ${path}` }, time: expect.any(Number) as number },
    ]);
  });
});

describe('bodies', () => {
  it.each([
    ['{', 'Format error in JSON body: EOF while parsing a value at line 1 column 2'],
    ['', 'Format error in JSON body: EOF while parsing a value at line 1 column 0'],
    ['[]', 'Format error in JSON body: invalid type: sequence, expected a map'],
    ['{"ids": [NaN]}', 'Format error in JSON body: expected value at line 1 column 10'],
    ['{}', 'Format error in JSON body: missing field `ids`'],
    ['{"ids": 1}', 'Format error in JSON body: invalid type: integer `1`, expected a sequence'],
  ])('refuses %j', async (body, message) => {
    const answer = await server.call('POST', '/collections/c/points', body);
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toBe(message);
    expect(answer.json).toEqual({ status: { error: message }, time: expect.any(Number) as number });
  });

  it('wants JSON to be declared', async () => {
    const answer = await server.call('POST', '/collections/c/points', '{"ids": [1]}', {
      'content-type': 'text/plain',
    });
    expect([answer.status, errorOf(answer)]).toEqual([400, 'Content type error']);
  });

  it('refuses more than 32 MiB', async () => {
    const body = `{"ids": [${'1,'.repeat(17 * 1024 * 1024)}1]}`;
    const answer = await server.call('POST', '/collections/c/points', body);
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toBe(
      `JSON payload (${body.length} bytes) is larger than allowed (limit: 33554432 bytes).`,
    );
  });

  it('looks at the body before the collection', async () => {
    const answer = await server.call('POST', '/collections/none/points', '{}');
    expect(answer.status).toBe(400);
  });
});

describe('query parameters', () => {
  const body = { points: [{ id: 1, vector: [1, 2, 3, 4] }] };

  it.each(['wait=maybe', 'ordering=fast'])('refuses %s', async (query) => {
    const answer = await server.call('PUT', `/collections/c/points?${query}`, body);
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toContain('Deserialize error in query parameters');
  });

  it.each(['weak', 'medium', 'strong'])('takes ordering=%s', async (ordering) => {
    const answer = await server.call('PUT', `/collections/c/points?wait=true&ordering=${ordering}`, body);
    expect(answer.status).toBe(200);
  });
});
