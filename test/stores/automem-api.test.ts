import { afterEach, describe, expect, it } from 'vitest';
import { Failure } from '../../src/failure.js';
import { AutomemApi, type ApiAddress } from '../../src/stores/service/automem-api.js';
import { startPeer, type HttpPeer, type PeerReply, type PeerRequest } from '../embedding/http-peer.js';

const COMPLETE = { status: 'complete', processed: 2, failed: 3, total: 5, failed_ids: ['a', 'b', 'c'] };
let peer: HttpPeer;
let api: AutomemApi;

async function serving(
  answer: (request: PeerRequest, index: number) => PeerReply,
  address: Partial<ApiAddress> = {},
): Promise<AutomemApi> {
  peer = await startPeer(answer);
  return (api = new AutomemApi({ url: peer.url, apiToken: 'api-t', adminToken: 'admin-t', ...address }));
}

async function failureOf(call: Promise<unknown>): Promise<Failure> {
  const error = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof Failure) return error;
  throw error instanceof Error ? error : new Error('the call went through');
}

const refusing = (status: number, message: string) => (): PeerReply => ({
  status,
  json: { status: 'error', code: status, message },
});

afterEach(async () => {
  await api.close();
  await peer.stop();
});

describe('AutomemApi', () => {
  it('asks for a reembedding with both tokens, and shows what failed under HTTP 200', async () => {
    await serving(() => ({ json: { ...COMPLETE, failed_ids_truncated: true } }));
    expect(await api.reembed({ batchSize: 500, limit: 5 })).toEqual({
      processed: 2,
      failed: 3,
      total: 5,
      failedIds: ['a', 'b', 'c'],
      hasMoreFailed: true,
    });
    expect(peer.requests).toMatchObject([
      {
        path: '/admin/reembed',
        headers: { authorization: 'Bearer api-t', 'x-admin-token': 'admin-t' },
        body: { batch_size: 100, limit: 5, force: false },
      },
    ]);
  });

  it('reads the answer that there is nothing to embed', async () => {
    await serving(() => ({
      json: { status: 'complete', message: 'No memories found to reembed', processed: 0, total: 0 },
    }));
    expect(await api.reembed()).toMatchObject({ processed: 0, failed: 0, total: 0, failedIds: [] });
  });

  it('reads the three answers of a sync', async () => {
    const answers = [
      { status: 'dry_run', falkordb_count: 9, qdrant_count: 7, missing_count: 2, orphaned_count: 1 },
      { status: 'already_synced', falkordb_count: 9, qdrant_count: 9, synced: 0, orphaned_count: 0 },
      { status: 'complete', falkordb_count: 9, qdrant_count: 8, synced: 1, failed: 1, failed_ids: ['x'] },
    ];
    await serving((_, index) => ({ json: answers[index] }));
    expect(await api.sync({ dryRun: true })).toMatchObject({
      status: 'dry_run',
      missing: 2,
      orphaned: 1,
      synced: 0,
    });
    expect(await api.sync()).toMatchObject({ status: 'already_synced', memories: 9, vectors: 9, failed: 0 });
    expect(await api.sync()).toMatchObject({
      status: 'complete',
      synced: 1,
      failed: 1,
      failedIds: ['x'],
      missing: null,
    });
    expect(peer.requests.map(({ body }) => body)).toEqual(
      [true, false, false].map((dry_run) => ({ batch_size: 32, dry_run })),
    );
  });

  it('reads the health without a token, and keeps "not told" apart from 0', async () => {
    await serving(() => ({
      json: {
        status: 'healthy',
        falkordb: 'connected',
        qdrant: 'connected',
        memory_count: null,
        vector_count: 0,
        sync_status: 'unknown',
        vector_dimensions: { configured: 1024, effective: null, collection: 768, mismatch: true },
        graph: 'memories',
      },
    }));
    expect(await api.health()).toEqual({
      status: 'healthy',
      falkordb: 'connected',
      qdrant: 'connected',
      memories: null,
      vectors: 0,
      syncStatus: 'unknown',
      dimensions: { configured: 1024, effective: null, collection: 768, mismatch: true },
      graph: 'memories',
    });
    expect(peer.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(peer.requests[0]?.headers).not.toHaveProperty('x-admin-token');
  });
});

describe('AutomemApi that is refused', () => {
  it.each([
    [401, 'Unauthorized', 'api-token-wrong', 'AUTOMEM_API_TOKEN', 2],
    [401, 'Admin authorization required', 'api-admin-token-wrong', 'ADMIN_API_TOKEN', 2],
    [403, 'Admin token not configured', 'api-admin-token-unset', 'ADMIN_API_TOKEN for AutoMem itself', 2],
    [404, 'The requested URL was not found', 'not-automem', 'AUTOMEM_API_URL', 2],
    [503, 'Qdrant is not available', 'api-not-ready', 'both stores', 10],
    [502, 'Bad gateway', 'api-gateway', 'direct address', 10],
    [500, 'Internal server error', 'api-error', 'its log', 1],
  ])('tells HTTP %i "%s" apart', async (status, message, code, hint, exitCode) => {
    await serving(refusing(status, message));
    const failure = await failureOf(api.reembed());
    expect(failure).toMatchObject({ code, exitCode });
    expect(failure.hint).toContain(hint);
    expect(failure.message + failure.hint).not.toContain('admin-t');
  });

  it('does not ask where the admin token is not set', async () => {
    await serving(refusing(401, ''), { adminToken: null });
    expect(await failureOf(api.sync())).toMatchObject({ code: 'api-admin-token-missing', exitCode: 2 });
    expect(peer.requests).toHaveLength(0);
  });

  it('says where the API token is not set, but asked for', async () => {
    await serving(refusing(401, 'Unauthorized'), { apiToken: null });
    expect((await failureOf(api.sync())).reason).toContain('AUTOMEM_API_TOKEN is not set');
  });

  it.each([
    ['a page', { text: '<html>hello</html>' }],
    ['another JSON', { json: { hello: 1 } }],
    ['a number that cannot be read', { json: { ...COMPLETE, failed: 'many' } }],
    ['a redirect', { status: 302, headers: { location: '/login' }, text: '' }],
  ])('takes nothing for success but its own answer: %s', async (_, reply) => {
    await serving(() => reply);
    expect(await failureOf(api.reembed())).toMatchObject({ code: 'not-automem', exitCode: 2 });
  });

  it('names the time limit, and that the work may go on', async () => {
    await serving(() => 'hang', { workTimeoutMs: 50, timeoutMs: 40 });
    const failure = await failureOf(api.sync());
    expect(failure).toMatchObject({ code: 'api-timeout', exitCode: 10, reason: 'no answer within 0.05 s' });
    expect(failure.hint).toContain('may go on');
    expect((await failureOf(api.health())).reason).toBe('no answer within 0.04 s');
  });

  it('tells a broken connection from one that nobody takes', async () => {
    await serving(() => 'cut');
    expect(await failureOf(api.sync())).toMatchObject({ code: 'api-connection-lost', exitCode: 10 });
    await peer.stop();
    expect(await failureOf(api.sync())).toMatchObject({ code: 'api-refused', exitCode: 10 });
  });

  it('stops when the operator does', async () => {
    const controller = new AbortController();
    await serving(() => {
      setImmediate(() => controller.abort(new Error('stopped')));
      return 'hang';
    });
    await expect(api.reembed({ signal: controller.signal })).rejects.toThrow('stopped');
  });
});
