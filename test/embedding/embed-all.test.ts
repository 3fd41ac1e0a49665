import { afterEach, describe, expect, it } from 'vitest';
import { deterministicVector } from '../../src/memory/deterministic-vector.js';
import { DeterministicProvider } from '../../src/embedding/deterministic.js';
import { embedAll } from '../../src/embedding/embed-all.js';
import { startPeer, type HttpPeer, type PeerReply, type PeerRequest } from './http-peer.js';
import {
  factsOf,
  FastClock,
  itemsOf,
  ok,
  openaiAt,
  refusal,
  rightAnswer,
  run,
  SIZE,
  textsOf,
  withBatches,
} from './lab.js';

let peer: HttpPeer;
const answering = async (answer: (request: PeerRequest, index: number) => PeerReply): Promise<HttpPeer> =>
  (peer = await startPeer(answer));

afterEach(() => peer.stop());

describe('embedAll', () => {
  it('gives every item its own vector, whatever the order of the answer, batch by batch', async () => {
    await answering(ok);
    const items = itemsOf(10);
    const { batches, vectors, failure } = await run(withBatches(openaiAt(peer), 4, 3), items);
    expect(failure).toBeNull();
    for (const { id, text } of items) expect(vectors.get(id)).toEqual(deterministicVector(text, SIZE));
    expect(batches.map((batch) => batch.items.length).sort()).toEqual([2, 4, 4]);
    expect(batches.map((batch) => batch.tokens).sort()).toEqual([12, 12, 6]);
    expect(peer.requests[0]?.headers.authorization).toBe('Bearer sk-secret-key');
  });

  it('has no more calls under way than the provider takes, and hands on what is done before all is', async () => {
    await answering(ok);
    const provider = withBatches(openaiAt(peer), 1, 2);
    let [now, most] = [0, 0];
    const counting = {
      ...provider,
      async embed(texts: readonly string[], signal: AbortSignal) {
        most = Math.max(most, ++now);
        try {
          return await provider.embed(texts, signal);
        } finally {
          now--;
        }
      },
    };
    let callsAtFirst = 0;
    for await (const batch of embedAll(counting, itemsOf(9), {
      size: SIZE,
      signal: new AbortController().signal,
    })) {
      callsAtFirst ||= peer.requests.length;
      expect(batch.items).toHaveLength(1);
    }
    expect(most).toBe(2);
    expect(callsAtFirst).toBeLessThan(4);
  });

  it('puts texts without a word aside and asks nobody about them', async () => {
    await answering(ok);
    const { failed, vectors } = await run(openaiAt(peer), [
      { id: 'blank', text: ' \n' },
      { id: 'full', text: 'word' },
    ]);
    expect([...failed]).toEqual([['blank', 'there is no text in it']]);
    expect([...vectors.keys()]).toEqual(['full']);
    expect(textsOf(peer.requests[0] as PeerRequest)).toEqual(['word']);
  });
});

describe('embedAll with a provider that makes it wait', () => {
  it('survives a minute of 429 by the Retry-After, and says so once', async () => {
    const clock = new FastClock();
    const notices: string[] = [];
    await answering((request) =>
      clock.time < 60_000 ? refusal(429, 'slow down', { 'retry-after': '30' }) : ok(request),
    );
    const { vectors, failure } = await run(openaiAt(peer), itemsOf(3), {
      clock,
      notice: (text) => notices.push(text),
    });
    expect(failure).toBeNull();
    expect(vectors.size).toBe(3);
    expect(clock.slept).toEqual([30_000, 30_000]);
    expect(notices[0]).toBe('openai-compatible asks to wait 30 s (HTTP 429: slow down)');
  });

  it('holds back all calls while one is asked to wait, and says it once', async () => {
    const clock = new FastClock();
    const notices: string[] = [];
    await answering((request) => (clock.time === 0 ? refusal(429, '', { 'retry-after': '7' }) : ok(request)));
    const provider = withBatches(openaiAt(peer), 1, 4);
    const { vectors } = await run(provider, itemsOf(8), { clock, notice: (text) => notices.push(text) });
    expect(vectors.size).toBe(8);
    expect(notices).toHaveLength(1);
    expect(peer.requests.length).toBeLessThanOrEqual(12);
  });

  it('waits longer and longer where it is not told how long, and takes broken connections for a pause', async () => {
    const clock = new FastClock();
    await answering((request, index) =>
      index === 2 ? 'cut' : index < 5 ? refusal(503, 'overloaded') : ok(request),
    );
    const { vectors } = await run(openaiAt(peer), itemsOf(1), { clock });
    expect(vectors.size).toBe(1);
    expect(clock.slept).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
  });

  it('gives up when its patience is over, having handed on what was done', async () => {
    const clock = new FastClock();
    await answering((request, index) => (index < 2 ? ok(request) : refusal(500, 'internal error')));
    const provider = withBatches(openaiAt(peer), 2);
    const { vectors, failure } = await run(provider, itemsOf(10), { clock, patienceMs: 60_000 });
    expect([...vectors.keys()]).toEqual(['id-0', 'id-1', 'id-2', 'id-3']);
    expect(factsOf(failure)).toMatchObject({ exitCode: 10, code: 'provider-unavailable' });
    expect(factsOf(failure).text).toContain('HTTP 500: internal error, again and again for 60 s');
    expect(clock.time).toBeLessThanOrEqual(60_000);
  });

  it('does not begin a wait that is longer than its patience', async () => {
    const clock = new FastClock();
    await answering(() => refusal(429, 'slow down', { 'retry-after': '3600' }));
    const { failure } = await run(openaiAt(peer), itemsOf(1), { clock });
    expect(factsOf(failure)).toMatchObject({ exitCode: 10, code: 'provider-unavailable' });
    expect(factsOf(failure).text).toContain(
      'it asks to wait 3600 s, longer than the 300 s that Lifeboat waits',
    );
    expect(clock.slept).toEqual([]);
  });

  it('names the time limit of a provider that never answers', async () => {
    const clock = new FastClock();
    await answering(() => 'hang');
    const { failure } = await run(openaiAt(peer, 30), itemsOf(4), { clock, patienceMs: 3_000 });
    expect(factsOf(failure)).toMatchObject({ exitCode: 10, code: 'provider-unavailable' });
    expect(factsOf(failure).text).toContain('no answer within 0.03 s');
    expect(factsOf(failure).hint).toContain('the load of the provider');
  });

  it('asks with fewer texts where so many are too slow, from then on', async () => {
    await answering((request) => (textsOf(request).length > 2 ? 'hang' : ok(request)));
    const provider = withBatches(openaiAt(peer, 300), 8);
    const { vectors, failure } = await run(provider, itemsOf(24));
    expect(failure).toBeNull();
    expect(vectors.size).toBe(24);
    const sizes = peer.requests.map((request) => textsOf(request).length);
    expect(sizes.slice(0, 3)).toEqual([8, 4, 2]);
    expect(Math.max(...sizes.slice(-8))).toBe(2);
  });
});

describe('embedAll with a provider that does not want', () => {
  it.each([401, 403])(
    'stops at once where the key is refused (HTTP %i), without telling the key',
    async (status) => {
      await answering(() => refusal(status, 'Incorrect API key provided: sk-secret-key'));
      const { failure } = await run(openaiAt(peer), itemsOf(3));
      expect(factsOf(failure)).toMatchObject({
        exitCode: 2,
        code: 'provider-credentials',
        hint: 'Check OPENAI_API_KEY.',
      });
      expect(JSON.stringify(factsOf(failure))).not.toContain('sk-secret');
      expect(peer.requests).toHaveLength(1);
    },
  );

  it('stops at once where the account is used up: waiting does not help', async () => {
    await answering(() => ({
      status: 429,
      json: { error: { message: 'You exceeded your current quota', code: 'insufficient_quota' } },
    }));
    const { failure } = await run(openaiAt(peer), itemsOf(3));
    expect(factsOf(failure)).toMatchObject({ exitCode: 10, code: 'provider-quota' });
    expect(peer.requests).toHaveLength(1);
  });

  it('stops after a few tries where nobody listens', async () => {
    await answering(ok);
    const { url } = peer;
    await peer.stop();
    const clock = new FastClock();
    const { failure } = await run(openaiAt(url), itemsOf(3), { clock });
    expect(factsOf(failure)).toMatchObject({ exitCode: 10, code: 'provider-unavailable' });
    expect(factsOf(failure).text).toContain(`nothing listens at ${url.slice(7)}, 4 times in a row`);
    expect(clock.slept).toEqual([1_000, 2_000, 4_000]);
  });

  it('says where the name of the host is unknown', async () => {
    await answering(ok);
    const { failure } = await run(openaiAt('http://no-such-host.invalid/v1'), itemsOf(1));
    expect(factsOf(failure)).toMatchObject({ exitCode: 10, code: 'provider-unavailable' });
    expect(factsOf(failure).text).toMatch(/the name of no-such-host\.invalid cannot be resolved/);
  });

  it('leaves out the one text that is too long and embeds all others', async () => {
    const tooLong = "This model's maximum context length is 8192 tokens";
    await answering((request) =>
      textsOf(request).some((text) => text.length > 100) ? refusal(400, tooLong) : ok(request),
    );
    const items = itemsOf(16);
    (items[5] as { text: string }).text = 'long '.repeat(50);
    const { vectors, failed, failure } = await run(openaiAt(peer), items);
    expect(failure).toBeNull();
    expect(vectors.size).toBe(15);
    expect([...failed]).toEqual([['id-5', `HTTP 400: ${tooLong}`]]);
  });

  it('finds the refused text also where the provider does not say why, even as the first', async () => {
    await answering((request) => (textsOf(request).includes('bad') ? refusal(400, 'no') : ok(request)));
    const { vectors, failed } = await run(openaiAt(peer), [{ id: 'first', text: 'bad' }, ...itemsOf(3)]);
    expect([...failed.keys()]).toEqual(['first']);
    expect(vectors.size).toBe(3);
  });

  it('does not take every text for bad where the request is', async () => {
    await answering(() => refusal(400, 'This model does not support specifying dimensions.'));
    const { failed, failure } = await run(openaiAt(peer), itemsOf(64));
    expect(factsOf(failure)).toMatchObject({ exitCode: 2, code: 'provider-refused' });
    expect(factsOf(failure).text).toContain('does not support specifying dimensions');
    expect(failed.size).toBe(0);
    expect(peer.requests.length).toBeLessThan(10);
  });

  it('makes batches smaller where they are too big as a whole (HTTP 413)', async () => {
    await answering((request) => (textsOf(request).length > 3 ? { status: 413, text: '' } : ok(request)));
    const { vectors } = await run(withBatches(openaiAt(peer), 12), itemsOf(24));
    expect(vectors.size).toBe(24);
    const sizes = peer.requests.map((request) => textsOf(request).length);
    expect(sizes.filter((size) => size === 12)).toHaveLength(1);
  });

  it('tries bigger batches again when smaller ones have gone through for a while', async () => {
    await answering((request, index) => (index === 0 ? { status: 413, text: '' } : ok(request)));
    const { vectors } = await run(withBatches(openaiAt(peer), 4), itemsOf(60));
    expect(vectors.size).toBe(60);
    const sizes = peer.requests.map((request) => textsOf(request).length);
    expect(sizes.slice(0, 21)).toEqual([4, ...Array<number>(20).fill(2)]);
    expect(sizes.slice(21)).toEqual([4, 4, 4, 4, 4]);
  });

  it('says what to do about an unknown model', async () => {
    await answering(() => refusal(404, 'The model `m` does not exist'));
    const { failure } = await run(openaiAt(peer), itemsOf(1));
    expect(factsOf(failure)).toMatchObject({ exitCode: 2, code: 'provider-setup' });
    expect(factsOf(failure).hint).toContain('EMBEDDING_MODEL');
  });
});

describe('embedAll with wrong answers', () => {
  const spoilt =
    (change: (data: { index: number; embedding: unknown }[]) => unknown) => (request: PeerRequest) => ({
      json: { data: change(rightAnswer(request).data) },
    });

  it.each([
    ['short', (data: unknown[]) => data.slice(1), /given 3 texts and sent 2 vectors/],
    [
      'with an index twice',
      (data: object[]) => data.map((item) => ({ ...item, index: 0 })),
      /two vectors for text 1/,
    ],
    [
      'without an index',
      (data: { embedding: unknown }[]) => data.map(({ embedding }) => ({ embedding })),
      /which vector/,
    ],
    [
      'with an index too high',
      (data: object[]) => data.map((item) => ({ ...item, index: 7 })),
      /which vector/,
    ],
    [
      'with null for a number',
      (data: object[]) => data.map((item) => ({ ...item, embedding: Array(SIZE).fill(null) })),
      /not a finite number/,
    ],
    [
      'with text for a vector',
      (data: object[]) => data.map((item) => ({ ...item, embedding: 'AAAA' })),
      /something else than vectors/,
    ],
    [
      'of nothing but zeros',
      (data: object[]) => data.map((item) => ({ ...item, embedding: Array(SIZE).fill(0) })),
      /all zeros/,
    ],
    ['without a list', () => undefined, /no list of vectors/],
  ])('takes no answer %s, also at the second try', async (_, change, text) => {
    await answering(spoilt(change));
    const { vectors, failure } = await run(openaiAt(peer), itemsOf(3));
    expect(factsOf(failure)).toMatchObject({ exitCode: 1, code: 'provider-answer' });
    expect(factsOf(failure).text).toMatch(text);
    expect(vectors.size).toBe(0);
    expect(peer.requests).toHaveLength(2);
  });

  it('asks again after a short answer', async () => {
    await answering((request, index) =>
      index === 0 ? spoilt((data) => data.slice(1))(request) : ok(request),
    );
    expect((await run(openaiAt(peer), itemsOf(3))).vectors.size).toBe(3);
  });

  it('names NaN, as Python writes it, and what is no JSON at all', async () => {
    await answering(() => ({ text: '{"data":[{"index":0,"embedding":[NaN,1]}]}' }));
    expect(factsOf((await run(openaiAt(peer), itemsOf(1))).failure).text).toContain('holds NaN');
    await peer.stop();
    await answering(() => ({ text: '<html>Welcome</html>' }));
    expect(factsOf((await run(openaiAt(peer), itemsOf(1))).failure).text).toContain('does not speak JSON');
  });

  it('takes no vectors of another size than the collection, and does not ask again', async () => {
    await answering(ok);
    const { failure } = await run(openaiAt(peer), itemsOf(3), { size: SIZE + 1 });
    expect(factsOf(failure)).toMatchObject({ exitCode: 2, code: 'provider-size' });
    expect(factsOf(failure).text).toContain('the model gives 8 components, and the collection has 9');
    expect(peer.requests).toHaveLength(1);
  });
});

describe('embedAll when it is ended', () => {
  it('stops a call under way when the operator does, with the reason of the signal', async () => {
    const controller = new AbortController();
    const reason = new Error('stopped by the operator');
    await answering(() => {
      setImmediate(() => controller.abort(reason));
      return 'hang';
    });
    const { failure } = await run(openaiAt(peer), itemsOf(3), { signal: controller.signal });
    expect(failure).toBe(reason);
  });

  it('stops a wait, too, on the real clock', async () => {
    const controller = new AbortController();
    await answering(() => refusal(429, '', { 'retry-after': '60' }));
    const started = Date.now();
    const source = embedAll(openaiAt(peer), itemsOf(1), {
      size: SIZE,
      signal: controller.signal,
      notice: () => setImmediate(() => controller.abort(new Error('enough'))),
    });
    await expect(source.next()).rejects.toThrow('enough');
    expect(Date.now() - started).toBeLessThan(30_000);
  });

  it('asks no more and lets go of the source when the caller has enough', async () => {
    await answering(ok);
    let isClosed = false;
    async function* source(): AsyncGenerator<{ id: string; text: string }> {
      try {
        for (const item of itemsOf(100)) yield await Promise.resolve(item);
      } finally {
        isClosed = true;
      }
    }
    const provider = withBatches(openaiAt(peer), 2, 2);
    for await (const batch of embedAll(provider, source(), {
      size: SIZE,
      signal: new AbortController().signal,
    })) {
      expect(batch.items).toHaveLength(2);
      break;
    }
    expect(isClosed).toBe(true);
    expect(peer.requests.length).toBeLessThan(5);
  });

  it('hands on the error of the source', async () => {
    await answering(ok);
    async function* source(): AsyncGenerator<{ id: string; text: string }> {
      yield await Promise.resolve({ id: 'a', text: 'a' });
      throw new Error('the graph is gone');
    }
    const { failure } = await run(new DeterministicProvider(SIZE), source());
    expect(failure).toEqual(new Error('the graph is gone'));
  });
});
