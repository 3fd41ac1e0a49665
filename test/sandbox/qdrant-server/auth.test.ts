import { afterAll, beforeAll, expect, it } from 'vitest';

import { startServer, type TestServer } from './server-process.js';

let server: TestServer;

beforeAll(async () => {
  server = await startServer('secret-ключ');
});
afterAll(() => server.remove());

const key = Buffer.from('secret-ключ').toString('latin1');

it.each(['/', '/healthz', '/readyz', '/livez'])('lets everybody see %s', async (path) => {
  expect((await server.call('GET', path)).status).toBe(200);
});

it.each(['/collections', '/collections/c', '/unknown'])('asks for a key at %s', async (path) => {
  const answer = await server.call('GET', path);
  expect(answer).toEqual({
    status: 401,
    text: 'Must provide an API key or an Authorization bearer token',
    json: undefined,
  });
});

it.each([
  ['api-key', 'wrong'],
  ['authorization', 'Bearer wrong'],
])('refuses a wrong key in %s', async (name, value) => {
  const answer = await server.call('GET', '/collections', undefined, { [name]: value });
  expect([answer.status, answer.text]).toEqual([401, 'Invalid API key or JWT']);
});

it('does not take another scheme for a key', async () => {
  const answer = await server.call('GET', '/collections', undefined, { authorization: `Basic ${key}` });
  expect(answer.text).toBe('Must provide an API key or an Authorization bearer token');
});

it.each([
  ['api-key', key],
  ['authorization', `Bearer ${key}`],
])('takes the key in %s', async (name, value) => {
  expect((await server.call('GET', '/collections', undefined, { [name]: value })).status).toBe(200);
});
