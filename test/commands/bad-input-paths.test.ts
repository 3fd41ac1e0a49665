import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hash } from 'node:crypto';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { CommanderError } from 'commander';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { fill } from '../../src/sandbox/fill.js';
import { makeAuthority } from '../support/certificates.js';
import { GRAPH, Lab, TIMESTAMP, type CommandRun, type RunOptions } from '../support/lab.js';
import { startProxy, type Proxy } from '../support/proxy.js';
import { CLI } from '../support/cli.js';

let lab: Lab;
let graph: Proxy;

beforeAll(async () => {
  lab = await Lab.start({ aof: true });
  await lab.fill({ memories: 60 });
  await lab.keep();
});

afterAll(() => lab.stop());

beforeEach(async () => {
  await lab.reset();
  graph = await startProxy(lab.engines.graph);
});

afterEach(() => graph.stop());

/** Both stores to the letter, each as a digest: what must be as it was. */
async function everything(): Promise<{
  collections: string[];
  keys: string[];
  points: string;
  graph: string;
}> {
  const { collections } = await lab.qdrant<{ collections: { name: string }[] }>('GET', '/collections');
  const names = collections.map(({ name }) => name).sort();
  const contents = (await lab.keys()).includes(GRAPH) ? await lab.contents() : null;
  const plain = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
  return {
    collections: names,
    keys: (await lab.leftovers()).filter((key) => !key.endsWith(':lifeboat-lease')),
    points: digest(names.includes(GRAPH) ? await lab.points() : ''),
    graph: digest(JSON.stringify(contents, plain)),
  };
}

const digest = (text: string): string => hash('sha256', text).slice(0, 12);

const notices = ({ events }: CommandRun): string[] =>
  events.flatMap((event) => (event.type === 'notice' ? [event.message] : []));

const runs = (...args: string[]): Promise<CommandRun> => lab.run(['runs', ...args]);
const resume = (run: string, options: RunOptions = {}): Promise<CommandRun> =>
  lab.run(['runs', 'resume', run, '--json'], options);

const folderOf = (run: string): string => join(lab.env['LIFEBOAT_STATE'] ?? '', 'runs', run);

/** Stops a run, as an operator would, when the step begins. */
const stopAt =
  (step: string): NonNullable<RunOptions['onEvent']> =>
  (event, context) => {
    if (event.type === 'step.started' && event.step === step) context.interrupt();
  };

/** A restore that was stopped after it had made the collection, and before it promoted the graph. */
async function stoppedRestore(): Promise<string> {
  await lab.damage('both-lost');
  const run = await lab.recover([], { onEvent: stopAt('safeguard-vectors') });
  expect(run.summary).toMatchObject({ plan: 'restore-backup', outcome: 'interrupted', resumable: true });
  return run.summary.run;
}

/** A restore that was aborted after the new graph had become live. */
async function abortedAfterSwap(): Promise<string> {
  await lab.damage('both-lost');
  const run = await lab.recover([], {
    onEvent: (event, context) => {
      if (event.type !== 'step.started' || event.step !== 'restore-vectors') return;
      context.interrupt();
      context.interrupt();
    },
  });
  expect(run.summary).toMatchObject({ plan: 'restore-backup', outcome: 'interrupted', resumable: true });
  expect(run.summary.failure?.code).toBe('stopped-after-swap');
  return run.summary.run;
}

/** The real program in a process of its own. */
function lifeboat(args: string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [CLI, ...args], {
    env: { PATH: process.env['PATH'], ...lab.env, ...env },
    cwd: lab.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function ended(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

describe('a graph and a collection of other names', () => {
  const NAME = 'team-a memories';
  const COLLECTION = 'team_a';
  const env = { FALKORDB_GRAPH: NAME, QDRANT_COLLECTION: COLLECTION };
  const stores = () => ({
    graph: { ...lab.stores.graph, name: NAME },
    vectors: { ...lab.stores.vectors, collection: COLLECTION },
  });
  const own = (args: string[]): Promise<CommandRun> =>
    lab.run([...args, '--json', '--confirm', NAME], { env });
  const keysOfOwn = async (): Promise<string[]> =>
    (await lab.leftovers()).filter((key) => !/lifeboat-(?:fence|current)$/.test(key));
  let others: Awaited<ReturnType<typeof everything>>;
  let foreign: { graph: Buffer; vectors: Buffer };

  beforeEach(async () => {
    foreign = { graph: lab.backupBytes('graph'), vectors: lab.backupBytes('vectors') };
    const options = { memories: 40, dim: 8, seed: 2, timestamp: TIMESTAMP, force: true };
    others = await everything();
    await fill({ ...options, backupDir: lab.backups }, stores());
  });
  afterEach(async () => {
    await lab.qdrant('DELETE', `/collections/${COLLECTION}`);
    for (const key of await lab.keys()) if (key.includes(NAME)) await lab.redis('DEL', key);
    // What bears the usual names was not touched by anything.
    expect(await everything()).toEqual(others);
  });

  it('are rebuilt, rolled back, forgotten and repaired under their own keys', async () => {
    const before = await lab.snapshot(NAME);
    await lab.query('MATCH (n) DETACH DELETE n', NAME);
    const rebuilt = await own(['recover']);
    expect(rebuilt.summary).toMatchObject({ plan: 'rebuild-graph', outcome: 'recovered', exitCode: 0 });
    const { run } = rebuilt.summary;
    expect(await keysOfOwn()).toEqual([NAME, `{${NAME}}:before:${run}`]);
    expect(await lab.differences(before, NAME)).toEqual([]);
    const wrong = await lab.run(['runs', 'rollback', run, '--confirm', GRAPH], { env });
    expect(wrong.failure).toMatchObject({ code: 'not-confirmed', exitCode: 2 });
    expect(wrong.failure?.hint).toContain(`--confirm ${NAME}`);
    expect((await own(['runs', 'rollback', run])).exitCode).toBe(0);
    expect(await keysOfOwn()).toEqual([NAME, `{${NAME}}:undone:${run}`]);
    expect((await own(['runs', 'forget', run])).exitCode).toBe(0);
    expect(await keysOfOwn()).toEqual([NAME]);
    expect((await own(['recover'])).exitCode).toBe(0);
    await lab.query('MATCH (m:Memory) WITH m ORDER BY m.id LIMIT 2 DETACH DELETE m', NAME);
    const repaired = await own(['repair', '--always']);
    expect(repaired.summary).toMatchObject({ plan: 'sync-drift', exitCode: 0, outcome: 'recovered' });
    expect(await lab.differences(before, NAME)).toEqual([]);
    await before.close();
  });

  it('refuse the backup of another graph', async () => {
    await lab.query('MATCH (n) DETACH DELETE n', NAME);
    await lab.qdrant('POST', `/collections/${COLLECTION}/points/delete?wait=true`, { filter: {} });
    lab.writeBackup('graph', foreign.graph);
    lab.writeBackup('vectors', foreign.vectors);
    const asked = await own(['recover', 'restore-backup', '--backup', TIMESTAMP]);
    expect(asked.summary).toMatchObject({ exitCode: 4, failure: { code: 'backup-broken' } });
    expect(asked.summary.failure?.message).toContain(`backup of the graph "${GRAPH}"`);
    expect((await own(['recover', 'restore-backup'])).exitCode).toBe(4);
    expect((await lab.query('MATCH (n) RETURN count(n)', NAME))[0]).toEqual([0]);
  });
});

describe('a user who lacks one right', () => {
  const paths = {
    rebuild: { damage: 'graph-empty', args: ['recover', 'rebuild-graph'] },
    restore: { damage: 'both-lost', args: ['recover', 'restore-backup'] },
    repair: { damage: 'drift-20', args: ['repair'] },
    fresh: { damage: 'both-lost', args: ['recover', 'fresh-start', '--backup', 'none'] },
  };
  type Path = keyof typeof paths;

  async function as(rights: string[], path: Path): Promise<CommandRun> {
    await lab.damage(paths[path].damage);
    await lab.redis('ACL', 'SETUSER', 'ann', 'reset', 'on', '>ann-pw', '~*', '+@all', ...rights);
    const env = { FALKORDB_USERNAME: 'ann', FALKORDB_PASSWORD: 'ann-pw' };
    return lab.run([...paths[path].args, '--json', '--confirm', GRAPH], { env });
  }
  afterEach(() => lab.redis('ACL', 'DELUSER', 'ann'));

  const needed: [string, Path, string[]][] = [
    ['RENAME', 'restore', ['-rename']],
    ['DEL', 'rebuild', ['-del']],
    ['GRAPH.COPY', 'repair', ['-graph.copy']],
    ['GRAPH.QUERY', 'repair', ['-graph.query']],
    ['GRAPH.QUERY', 'fresh', ['-graph.query']],
    ['GRAPH.BULK', 'restore', ['-graph.bulk']],
    ['MULTI', 'restore', ['-multi']],
    ['EXEC', 'restore', ['-exec']],
    ['RENAME', 'rebuild', ['resetkeys', `~${GRAPH}`]],
  ];
  it.each(needed)('%s, which %s needs: said before the first change', async (name, path, rights) => {
    await lab.damage(paths[path].damage);
    const before = await everything();
    const run = await as(rights, path);
    expect(run.summary).toMatchObject({ outcome: 'failed', exitCode: 1, failure: { code: 'forbidden' } });
    expect(run.summary.failure?.message).toMatch(
      new RegExp(`^Could not begin the plan .*may not use.*${name}`),
    );
    expect(run.summary.failure?.hint).toMatch(/^Nothing was changed\. .*ACL SETUSER ann .*FALKORDB_USERNAME/);
    expect(run.events.some(({ type }) => type === 'step.started')).toBe(false);
    expect(await everything()).toEqual(before);
    expect(run.stdout).not.toContain('ann-pw');
    expect((await runs('list')).stdout).not.toMatch(
      new RegExp(`${run.summary.run}.*(?:resumed|rolled back)`),
    );
  });

  const missed: [string, Path, string[], RegExp | null][] = [
    ['GRAPH.DELETE', 'rebuild', ['-graph.delete', '-graph.copy'], null],
    ['RENAME', 'repair', ['-rename'], null],
    ['BGREWRITEAOF', 'rebuild', ['-bgrewriteaof'], /was not compacted: NOPERM .*Until BGREWRITEAOF is run/],
    ['INFO', 'rebuild', ['-info'], /was not compacted: INFO is not allowed/],
    ['CLIENT LIST', 'rebuild', ['-client|list'], /CLIENT LIST is not allowed/],
    ['SET', 'rebuild', ['-set'], /The lease cannot be kept in the graph server .*'set' command/],
  ];
  it.each(missed)(
    '%s, which %s can do without: goes on, and says what it could not do',
    async (_, path, rights, said) => {
      const run = await as(rights, path);
      expect(run.summary).toMatchObject({ outcome: 'recovered', exitCode: 0 });
      if (said !== null) expect(notices(run)).toContainEqual(expect.stringMatching(said));
    },
  );
});

describe('TLS with a private authority', () => {
  const authority = makeAuthority('Private CA');
  let front: Server;
  let env: Record<string, string>;

  beforeAll(async () => {
    front = createServer(authority.issue(), (client) => {
      const server = connect(lab.engines.graph.port, lab.engines.graph.host);
      client.on('error', () => server.destroy()).on('close', () => server.destroy());
      server.on('error', () => client.destroy()).on('close', () => client.destroy());
      client.pipe(server).pipe(client);
    });
    front.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    writeFileSync(join(lab.folder, 'ca.pem'), authority.cert);
    writeFileSync(join(lab.folder, 'other.pem'), makeAuthority('Other CA').cert);
    env = { FALKORDB_PORT: String((front.address() as AddressInfo).port), FALKORDB_TLS: 'true' };
  });
  afterAll(() => void front.close());

  it('holds for a whole recovery, with the lease on the server, and for its rollback', async () => {
    await lab.damage('graph-empty');
    // A path that is relative starts from the working folder.
    const own = { ...env, FALKORDB_CA_FILE: 'ca.pem' };
    const run = await lab.recover([], { env: own });
    expect(run.summary).toMatchObject({ outcome: 'recovered', exitCode: 0 });
    expect(notices(run).filter((notice) => /lease/.test(notice))).toEqual([]);
    const { failure, exitCode } = await lab.run(['runs', 'rollback', run.summary.run, '--confirm', GRAPH], {
      env: own,
    });
    expect([failure, exitCode]).toEqual([null, 0]);
  });

  const wrong: [string, string | undefined, RegExp][] = [
    ['another authority', 'other.pem', /TLS handshake failed: .*verify/],
    ['no authority', undefined, /TLS handshake failed: .*verify/],
    ['a file that is not there', 'nowhere.pem', /no such file or directory.*nowhere\.pem/],
  ];
  it.each(wrong)('with %s: exit 10 with the variable to set, nothing changed', async (_, file, message) => {
    await lab.damage('graph-empty');
    const before = await everything();
    const run = await lab.recover([], {
      env: { ...env, ...(file === undefined ? {} : { FALKORDB_CA_FILE: file }) },
    });
    expect(run.summary).toMatchObject({ outcome: 'failed', exitCode: 10 });
    expect(run.summary.failure?.message).toMatch(message);
    expect(run.summary.failure?.message).not.toContain('--use-system-ca');
    expect(run.summary.failure?.hint).toContain('FALKORDB_CA_FILE');
    expect(await everything()).toEqual(before);
  });
});

describe('no room in the folder of the run', () => {
  it('stops before the next change, exit 1; with room again, the run goes on', async () => {
    const memories = await lab.value('MATCH (m:Memory) RETURN count(m)');
    await lab.damage('both-lost');
    const before = await everything();
    // No file may grow beyond some KiB: the journal breaks off in the middle of an entry.
    const command = `ulimit -f 3; exec "$0" "$@"`;
    const args = [CLI, 'recover', '--confirm', GRAPH, '--json'];
    const child = spawn('bash', ['-c', command, process.execPath, ...args], {
      env: { PATH: process.env['PATH'], ...lab.env, NODE_DISABLE_COMPILE_CACHE: '1' },
      cwd: lab.folder,
    });
    const { code, stdout, stderr } = await ended(child);
    const summary = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as CommandRun['summary'];
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(summary).toMatchObject({ outcome: 'failed', exitCode: 1, failure: { code: 'run-folder' } });
    expect(summary.failure?.message).toContain(folderOf(summary.run));
    expect(summary.failure?.hint).toMatch(/Free disk space.*lifeboat runs resume/);
    const { keys, graph: content } = await everything();
    expect([keys, content]).toEqual([[], before.graph]);
    const again = await resume(summary.run);
    expect(again.summary).toMatchObject({ outcome: 'recovered', plan: 'restore-backup' });
    expect(await lab.value('MATCH (m:Memory) RETURN count(m)')).toBe(memories);
  });
});

describe('a clock that jumps', () => {
  const DAY_MS = 86_400_000;
  /** From now on, this process takes it for another time. */
  const setClock = (offsetMs: number): void =>
    void vi.useFakeTimers({ toFake: ['Date'], now: new Date(Date.now() + offsetMs) });
  afterEach(() => vi.useRealTimers());

  it.each([
    ['forward by a month', 30 * DAY_MS],
    ['back to before the backup', -60 * DAY_MS],
  ])(
    '%s between a stop and its resumption: the run keeps its name, its backup and its lease',
    async (_, jump) => {
      const run = await stoppedRestore();
      setClock(jump);
      const resumed = await resume(run);
      expect(resumed.summary).toMatchObject({ run, outcome: 'recovered', plan: 'restore-backup' });
      expect(resumed.summary.assessment?.backups.newest).toBe(TIMESTAMP);
      // Time counts from the beginning of the run, by the wall clock: it is never below nothing.
      expect(resumed.summary.rto?.measuredSeconds).toBeGreaterThanOrEqual(Math.max(0, jump / 1000));
      expect(resumed.summary.rpo?.measuredSeconds ?? 0).toBeGreaterThanOrEqual(0);
      expect((await runs('rollback', run, '--confirm', GRAPH)).failure).toBeNull();
    },
  );

  it('back, in the middle of a run, costs nothing; what claims to be of next year is not young, but wrong', async () => {
    const future = new Date(Date.now() + 400 * DAY_MS).toISOString();
    await lab.query(`MATCH (m:Memory) WITH m ORDER BY m.id LIMIT 3 SET m.updated_at = '${future}'`);
    const ids = (await lab.query('MATCH (m:Memory) RETURN m.id ORDER BY m.id LIMIT 3')).map(([id]) =>
      String(id),
    );
    await lab.removePoints(ids);
    const run = await lab.run(['repair', '--always', '--json', '--confirm', GRAPH], {
      onEvent: (event) => {
        if (event.type === 'step.started' && event.step === 'safeguard-stores') setClock(-2 * DAY_MS);
      },
    });
    expect(run.summary).toMatchObject({ plan: 'sync-drift', outcome: 'recovered', exitCode: 0 });
    expect(run.summary.restored.vectors).toBe(3);
  });
});

describe('two runs at the same instant', () => {
  it('one goes on; the other exits 11 and names it; once it has ended, the other works', async () => {
    await lab.damage('graph-empty');
    const both = await Promise.all([lab.recover(), lab.recover()]);
    const [won, lost] = both[0].exitCode === 0 ? both : [both[1], both[0]];
    expect(won.summary).toMatchObject({ outcome: 'recovered', exitCode: 0 });
    expect(lost.summary).toMatchObject({ outcome: 'failed', exitCode: 11, failure: { code: 'lease-held' } });
    expect(lost.summary.failure?.message).toMatch(
      new RegExp(`run ${won.summary.run} \\(recover\\) by .+, process ${process.pid} on .+, since 20`),
    );
    expect(lost.summary.failure?.hint).toContain('--take-over');
    expect(lost.events.some(({ type }) => type === 'step.started')).toBe(false);
    expect(await lab.leftovers()).toEqual([`{${GRAPH}}:before:${won.summary.run}`]);
    expect((await lab.recover()).summary).toMatchObject({ plan: 'healthy', exitCode: 0 });
  });

  it('also where one of them is a rollback or a repair', async () => {
    await lab.damage('graph-empty');
    const { run } = (await lab.recover()).summary;
    const before = await everything();
    const told: CommandRun[] = [];
    const others: Promise<void>[] = [];
    const held = await lab.run(['validate', '--fix', '--json'], {
      onEvent: ({ type }) => {
        if (type !== 'assessment') return;
        for (const args of [['runs', 'rollback', run], ['runs', 'forget', run], ['repair']])
          others.push(lab.run([...args, '--confirm', GRAPH]).then((each) => void told.push(each)));
      },
    });
    await Promise.all(others);
    expect(held.exitCode).toBe(0);
    expect(told.map(({ exitCode }) => exitCode)).toEqual([11, 11, 11]);
    expect(await everything()).toEqual(before);
  });
});

describe('a holder that hangs', () => {
  /** Runs a recovery in a process of its own, until it is about to write its first nodes: there it is stopped. */
  async function hang(): Promise<{ child: ChildProcess; end: ReturnType<typeof ended> }> {
    await lab.damage('graph-empty');
    const started: { child?: ChildProcess } = {};
    const stopped = new Promise<void>((resolve) => {
      graph.when(/GRAPH\.BULK[^]*BEGIN/i, async () => {
        started.child?.kill('SIGSTOP');
        resolve();
        await Promise.resolve();
      });
    });
    const child = lifeboat(['recover', '--json', '--confirm', GRAPH], { FALKORDB_PORT: String(graph.port) });
    started.child = child;
    const end = ended(child);
    await stopped;
    return { child, end };
  }

  it('is taken over when its time has run out; continued, it changes nothing more and exits 11', async () => {
    const { child, end } = await hang();
    try {
      const refused = await lab.recover();
      expect(refused.summary).toMatchObject({ exitCode: 11, failure: { code: 'lease-held' } });
      expect(refused.summary.failure?.message).toContain(`process ${child.pid ?? 0} on `);
      expect(refused.summary.failure?.hint).toContain(`kill -9 ${child.pid ?? 0}`);
      const insisted = await lab.recover(['--take-over']);
      expect(insisted.summary).toMatchObject({ exitCode: 11, failure: { code: 'lease-held' } });
      // The server's clock ends the lease; it is only made to run fast.
      await lab.redis('PEXPIRE', `{${GRAPH}}:lifeboat-lease`, 1);
      const leases = join(lab.env['LIFEBOAT_STATE'] ?? '', 'leases');
      const longAgo = new Date(Date.now() - 120_000);
      for (const name of readdirSync(leases)) utimesSync(join(leases, name), longAgo, longAgo);
      const next = await lab.recover();
      expect(next.summary).toMatchObject({ outcome: 'recovered', exitCode: 0 });
      const before = await everything();
      child.kill('SIGCONT');
      const { code, stdout, stderr } = await end;
      const last = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as CommandRun['summary'];
      expect({ code, stderr }).toEqual({ code: 11, stderr: '' });
      expect(last).toMatchObject({ outcome: 'failed', exitCode: 11, failure: { code: 'lease-lost' } });
      // Not even what it was building is removed: whoever took its lease may go on under the same key.
      expect(await everything()).toEqual(before);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('loses its lease at once where --take-over asks for that, and then does not make its swap', async () => {
    await lab.damage('graph-empty');
    const during: { next?: CommandRun; before?: Awaited<ReturnType<typeof everything>> } = {};
    graph.when(/multi[^]*rename/i, async () => {
      during.next = await lab.recover(['--take-over']);
      during.before = await everything();
    });
    const held = await lab.recover([], { env: { FALKORDB_PORT: String(graph.port) } });
    expect(during.next?.summary).toMatchObject({ outcome: 'recovered', exitCode: 0 });
    expect(notices(during.next as CommandRun)).toContainEqual(
      expect.stringContaining(`Took the lease over from run ${held.summary.run}`),
    );
    expect(held.summary).toMatchObject({ outcome: 'failed', exitCode: 11, failure: { code: 'lease-lost' } });
    expect(await everything()).toEqual(during.before);
  });
});

describe('runs resume', () => {
  it('refuses what it cannot go on with, each with its reason', async () => {
    const unknown = await resume('20200101-000000-abcdef');
    expect(unknown.failure).toMatchObject({ code: 'run-unknown', exitCode: 2 });
    await lab.damage('graph-empty');
    const dry = await lab.run(['recover', '--dry-run', '--json']);
    const ofDry = await resume(dry.summary.run);
    expect(ofDry.failure).toMatchObject({
      code: 'run-not-resumable',
      exitCode: 2,
      reason: 'it was a dry run',
    });
    const { run } = (await lab.recover()).summary;
    const over = await resume(run);
    expect(over.failure).toMatchObject({
      code: 'run-not-resumable',
      exitCode: 2,
      reason: 'it is over: recovered',
    });
    const stopped = await stoppedRestore();
    const elsewhere = await resume(stopped, { env: { FALKORDB_PORT: '1' } });
    expect(elsewhere.failure).toMatchObject({ code: 'run-of-other-stores', exitCode: 2 });
    expect(elsewhere.failure?.reason).toContain('127.0.0.1:1');
  });

  it('stops where its backup is gone meanwhile, and goes on once it is back', async () => {
    const run = await stoppedRestore();
    // Taken away and brought back as it was, as with a disk that was not mounted; a copy of another time is another file.
    const away = `${lab.backups}-away`;
    renameSync(lab.backups, away);
    mkdirSync(lab.backups);
    const before = await everything();
    const gone = await resume(run);
    expect(gone.summary).toMatchObject({
      outcome: 'failed',
      resumable: true,
      failure: { code: 'backup-unknown' },
    });
    expect(gone.summary.failure?.message).toContain(TIMESTAMP);
    expect(await everything()).toEqual(before);
    rmSync(lab.backups, { recursive: true });
    renameSync(away, lab.backups);
    expect((await resume(run)).summary).toMatchObject({ outcome: 'recovered', run });
  });

  it.each([
    ['is gone', (path: string) => rmSync(path)],
    ['is torn', (path: string) => writeFileSync(path, '{"value":"execu')],
  ])('goes on with its own plan where the snapshot %s, also after the swap', async (_, damage) => {
    const run = await abortedAfterSwap();
    damage(join(folderOf(run), 'machine.json'));
    const resumed = await resume(run);
    // The graph is live by now: assessed anew, another plan would be the best one.
    expect(resumed.summary).toMatchObject({ run, plan: 'restore-backup', outcome: 'recovered' });
    expect(resumed.summary.validation.every(({ status }) => status !== 'fail')).toBe(true);
  });

  it('goes on from a journal whose last line is torn, and refuses one without a beginning', async () => {
    const run = await stoppedRestore();
    const path = join(folderOf(run), 'journal.ndjson');
    const whole = readFileSync(path, 'utf8');
    for (const text of ['', '\n\n', '{"entry":"run","time":"x"}\n', whole.slice(50)]) {
      writeFileSync(path, text);
      const refused = await resume(run);
      expect(refused.failure).toMatchObject({ code: 'journal-unreadable', exitCode: 2 });
      expect((await runs('show', run)).failure).toMatchObject({ code: 'journal-unreadable', exitCode: 2 });
      expect((await runs('list')).exitCode).toBe(0);
    }
    writeFileSync(path, whole.slice(0, -30));
    expect((await resume(run)).summary).toMatchObject({ run, outcome: 'recovered' });
  });
});

describe('runs rollback and forget', () => {
  const rollback = (run: string): Promise<CommandRun> => runs('rollback', run, '--confirm', GRAPH);
  const forget = (run: string): Promise<CommandRun> => runs('forget', run, '--confirm', GRAPH);
  const outcome = ({ failure, exitCode }: CommandRun) => [
    exitCode,
    failure?.code ?? null,
    failure?.reason ?? null,
  ];

  it('the second time, and after one another: say that it was done', async () => {
    await lab.damage('graph-empty');
    const first = (await lab.recover()).summary.run;
    expect(outcome(await rollback(first))).toEqual([0, null, null]);
    const before = await everything();
    expect(outcome(await rollback(first))).toEqual([2, 'nothing-kept', 'it was rolled back']);
    expect(await everything()).toEqual(before);
    expect(outcome(await forget(first))).toEqual([0, null, null]);
    expect(outcome(await forget(first))).toEqual([2, 'nothing-kept', 'it was forgotten']);
    const second = (await lab.recover()).summary.run;
    expect(outcome(await forget(second))).toEqual([0, null, null]);
    expect(outcome(await rollback(second))).toEqual([2, 'nothing-kept', 'it was forgotten']);
    expect(await lab.leftovers()).toEqual([]);
  });

  it('change neither store where one half of what was kept is gone', async () => {
    await lab.query('MATCH (n) DETACH DELETE n');
    await lab.qdrant('POST', `/collections/${GRAPH}/points/delete?wait=true`, { filter: {} });
    const { run } = (await lab.recover(['restore-backup'])).summary;
    const snapshots = await lab.qdrant<{ name: string }[]>('GET', `/collections/${GRAPH}/snapshots`);
    for (const { name } of snapshots) await lab.qdrant('DELETE', `/collections/${GRAPH}/snapshots/${name}`);
    const before = await everything();
    for (let attempt = 0; attempt < 2; attempt++) {
      const refused = await rollback(run);
      expect(refused.failure).toMatchObject({ code: 'snapshot-missing', exitCode: 4 });
      expect(refused.failure?.hint).toMatch(/^Nothing was changed/);
      expect(await everything()).toEqual(before);
    }
    const freed = await forget(run);
    expect(freed.stdout).toBe(
      `The run cannot be undone afterwards.\nfreed the graph "{${GRAPH}}:before:${run}"\nForgotten: nothing is kept of it any more but its folder.\n`,
    );
  });
});

describe('flags', () => {
  const wrong: [string[], RegExp][] = [
    [['recover', '--max-drift', 'abc'], /number from 0 to 100/],
    [['repair', '--max-drift', '101'], /number from 0 to 100/],
    [['recover', '--wait', 'abc'], /duration such as/],
    [['recover', '--wait', '-5m'], /duration such as/],
    [['recover', '--only', 'xyz'], /graph, vectors/],
    [['recover', '--orphans', 'eat'], /restore, delete, keep/],
    [['recover', '--backup', 'yesterday'], /YYYYMMDD_HHMMSS/],
    [['recover', '--confirm'], /argument missing/],
    [['repair', '--only', 'graph'], /unknown option/],
    [['recover', 'restore-backup', 'again'], /too many arguments/],
    [['runs', 'resume'], /missing required argument/],
    [['assess', '--deep', '--fix'], /unknown option/],
    [['validate', '--fix', 'all'], /too many arguments/],
    [['recover', '--merge', '--exact'], /contradict each other/],
    [['recover', '--new-space', '--via-api'], /contradict each other/],
    [['recover', '--file', 'x', '--backup', 'none'], /contradict each other/],
  ];
  it('that are wrong or contradict each other are named before anything is looked at', async () => {
    for (const [args, message] of wrong) {
      const run = await lab.run(args).catch((error: unknown) => error);
      if (run instanceof CommanderError) expect(run.message).toMatch(message);
      else expect((run as CommandRun).failure).toMatchObject({ exitCode: 2, code: 'usage' });
      if (!(run instanceof CommanderError)) expect((run as CommandRun).failure?.message).toMatch(message);
    }
  });

  it('that name a file which is none: exit 2; one that holds no backup: exit 4', async () => {
    await lab.damage('both-lost');
    mkdirSync(join(lab.folder, 'folder'), { recursive: true });
    writeFileSync(join(lab.folder, 'empty'), '');
    writeFileSync(join(lab.folder, 'text'), 'hello');
    const cases: [string, number, RegExp, RegExp][] = [
      ['missing.tar.gz', 2, /the file is not there/, /Name an archive/],
      ['folder', 2, /it is a folder/, /AUTOMEM_BACKUP_DIR/],
      ['empty', 4, /it is empty/, /Name an archive/],
      ['text', 4, /no JSON object, no list and no archive/, /Name an archive/],
    ];
    const before = await everything();
    for (const [file, exitCode, message, hint] of cases) {
      const run = await lab.recover(['--file', file]);
      expect(run.summary).toMatchObject({ exitCode, failure: { code: 'backup-file-unusable' } });
      expect(run.summary.failure?.message).toMatch(message);
      expect(run.summary.failure?.hint).toMatch(hint);
    }
    expect(await everything()).toEqual(before);
  });
});

describe('the real program', () => {
  it('finishes the recovery where whoever reads its output leaves, and exits 2 for a wrong flag', async () => {
    await lab.damage('graph-empty');
    const child = lifeboat(['recover', '--confirm', GRAPH, '--no-input']);
    child.stdout?.once('data', () => child.stdout?.destroy());
    const wrong = lifeboat(['recover', '--wait', 'abc']);
    const [left, refused] = await Promise.all([ended(child), ended(wrong)]);
    expect([left.code, left.stderr]).toEqual([0, '']);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/^error: .*duration/)]);
    expect((await runs('list')).stdout.split('\n')[0]).toMatch(
      /rebuild-graph +recovered; can be rolled back/,
    );
  });
});
