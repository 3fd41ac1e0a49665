import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';

import { parseEnvText, readEnvironment } from '../../src/settings/env-files.js';
import { folderWith } from '../support/archive-files.js';
import { unprivileged } from '../support/unprivileged.js';

function read(text: string): Record<string, string> {
  return Object.fromEntries(parseEnvText(text, './.env').bindings.map(({ name, value }) => [name, value]));
}

describe('parseEnvText', () => {
  // Each expectation was made with python-dotenv 1.2, which AutoMem reads its files with.
  it.each<[string, Record<string, string>]>([
    ['A=p#ss', { A: 'p#ss' }],
    ['A=p #ss', { A: 'p' }],
    ['A=p\t#ss', { A: 'p' }],
    ["A='p#ss'", { A: 'p#ss' }],
    ['A="q" # c', { A: 'q' }],
    ['A=#c', { A: '#c' }],
    ['A= # c', { A: '' }],
    ['A=', { A: '' }],
    ['A', {}],
    ['A = b ', { A: 'b' }],
    ['A=a b c', { A: 'a b c' }],
    ["A=a'b", { A: "a'b" }],
    ['A=`b`', { A: '`b`' }],
    ['A=\u00a0x', { A: 'x' }],
    ['A=$B', { A: '$B' }],
    ['A=a\\#b', { A: 'a\\#b' }],
    ['A=x\\ny', { A: 'x\\ny' }],
    ['A="a\\nb"', { A: 'a\nb' }],
    ['A="a\\tb\\$c"', { A: 'a\tb\\$c' }],
    ['A="a\\\\"', { A: 'a\\' }],
    ['A="\\u0041"', { A: '\\u0041' }],
    ["A='a\\'b'", { A: "a'b" }],
    ['A="multi\nline"', { A: 'multi\nline' }],
    ['export A=1', { A: '1' }],
    ["'A'=1", { A: '1' }],
    ['A: 1', {}],
    ['A=1\rB=2', { A: '1', B: '2' }],
    ['A=1\r\nB=2\r\n', { A: '1', B: '2' }],
    ['A=1\n=5\nC=3', { A: '1', C: '3' }],
    ['A=1\nA=2', { A: '2' }],
    ['bad line here\nA=1', { A: '1' }],
    ["A='q'x\nB=1", { B: '1' }],
    ['A=1\nexport A\nB=2', { B: '2' }],
    ['="x\nB=1"', { B: '1"' }],
    ['A="a"b\nC=3', { C: '3' }],
    ['A="unterminated\nC=4', { C: '4' }],
    ['A=${B:-q}/x', { A: 'q/x' }],
    ['B=1\nA=${B}', { B: '1', A: '1' }],
    ["A='${B:-s}'", { A: 's' }],
    ['\uFEFFA=1', { A: '1' }],
    ['# only a comment', {}],
    ['', {}],
  ])('reads %j as AutoMem does', (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  it('reads back every value that is written in single quotes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('${')),
        (value) => {
          const quoted = `'${value.replace(/[\\']/g, '\\$&')}'`;
          expect(read(`BEFORE=1\nA=${quoted}\nAFTER=2`)).toEqual({ BEFORE: '1', A: value, AFTER: '2' });
        },
      ),
    );
  });

  it('ends, whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('A', '=', '"', "'", '\\', '#', ' ', '\n', '\r', '$', '{', '}', ':', '-'),
        }),
        (text) => {
          parseEnvText(text, './.env');
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('names the line', () => {
    expect(
      parseEnvText('\n# c\n\nA=1\r\nB="x\ny"\nC=3', './.env').bindings.map(({ origin }) => origin),
    ).toEqual(['./.env line 4', './.env line 5', './.env line 7']);
  });
});

describe('readEnvironment', () => {
  let root = '';
  afterEach(() => {
    if (root !== '') rmSync(root, { recursive: true, force: true });
  });
  const known = new Set(['A']);

  it('lets the first source win, also with an empty value', async () => {
    root = folderWith({
      '.env': 'A=file\nB=\nC=file',
      'home/.config/automem/.env': 'A=home\nB=home\nD=${A}-${C}',
    });
    const values = await readEnvironment(
      { env: { A: 'env', E: undefined }, cwd: root, home: join(root, 'home') },
      known,
    );
    expect(Object.fromEntries(values)).toEqual({
      A: { value: 'env', origin: 'the environment' },
      B: { value: '', origin: './.env line 2' },
      C: { value: 'file', origin: './.env line 3' },
      D: { value: 'env-file', origin: '~/.config/automem/.env line 3' },
    });
  });

  it('passes over files that are not there', async () => {
    root = folderWith({ home: 'a file' });
    mkdirSync(join(root, '.env'));
    const values = await readEnvironment({ env: {}, cwd: root, home: join(root, 'home') }, known);
    expect(values.size).toBe(0);
  });

  it('names the line of a variable it needs and cannot read', async () => {
    // The quote that is not closed swallows the next line too.
    root = folderWith({ '.env': '\nB="open\n\nA="value"\n' });
    const sources = { env: {}, cwd: root, home: root };
    await expect(readEnvironment(sources, known)).rejects.toMatchObject({
      subject: 'A',
      exitCode: 2,
      reason: expect.stringContaining('./.env cannot be read from line 2 on, where A is set') as string,
    });
    await expect(readEnvironment(sources, new Set(['C']))).resolves.toBeDefined();
    // Set in the environment, the broken line does not matter.
    await expect(readEnvironment({ ...sources, env: { A: '1' } }, known)).resolves.toBeDefined();
  });

  it('says that it may not read a file', async () => {
    root = folderWith({});
    writeFileSync(join(root, '.env'), 'A=1');
    chmodSync(join(root, '.env'), 0);
    await unprivileged(() =>
      expect(readEnvironment({ env: {}, cwd: root, home: root }, known)).rejects.toMatchObject({
        subject: './.env',
        reason: 'permission denied',
      }),
    );
  });
});
