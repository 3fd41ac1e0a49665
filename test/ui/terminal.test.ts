import { describe, expect, it } from 'vitest';
import {
  canMountUi,
  isUtf8Locale,
  terminalSize,
  uiEnvironment,
  type TerminalFacts,
} from '../../src/ui/terminal.js';
import { toAscii } from '../../src/ui/theme.js';

const GOOD: TerminalFacts = {
  stdin: { isTTY: true },
  stdout: { isTTY: true },
  env: { TERM: 'xterm' },
  json: false,
  input: true,
};

describe('whether the UI may be mounted', () => {
  it.each<[string, Partial<TerminalFacts>, boolean]>([
    ['a terminal', {}, true],
    ['piped output', { stdout: {} }, false],
    ['piped input', { stdin: { isTTY: false } }, false],
    ['--json', { json: true }, false],
    ['--no-input', { input: false }, false],
    ['CI', { env: { CI: 'true' } }, false],
    ['CI=1', { env: { CI: '1' } }, false],
    ['CI=false', { env: { CI: 'false' } }, true],
    ['a dumb terminal', { env: { TERM: 'dumb' } }, false],
    ['no TERM', { env: {} }, true],
  ])('%s: %o → %s', (_, change, answer) => {
    expect(canMountUi({ ...GOOD, ...change })).toBe(answer);
  });
});

describe('what the environment asks for', () => {
  it('turns NO_COLOR into what the colour library reads', () => {
    expect(uiEnvironment({ NO_COLOR: '1', NODE_ENV: 'test' })).toEqual({ FORCE_COLOR: '0' });
    expect(uiEnvironment({ NO_COLOR: '', NODE_ENV: 'test' })).toEqual({});
    expect(uiEnvironment({})).toEqual({ NODE_ENV: 'production' });
  });

  it('tells a UTF-8 locale by the first variable that is set', () => {
    expect(isUtf8Locale({ LANG: 'de_DE.UTF-8' })).toBe(true);
    expect(isUtf8Locale({ LC_ALL: 'C', LANG: 'de_DE.UTF-8' })).toBe(false);
    expect(isUtf8Locale({ LC_ALL: '', LC_CTYPE: 'C.utf8' })).toBe(true);
    expect(isUtf8Locale({})).toBe(false);
  });

  it('takes a terminal without a size for 80×24', () => {
    expect(terminalSize({ columns: 0, rows: 0 })).toEqual({ columns: 80, rows: 24 });
    expect(terminalSize({})).toEqual({ columns: 80, rows: 24 });
    expect(terminalSize({ columns: 40, rows: 20 })).toEqual({ columns: 40, rows: 20 });
  });

  it('keeps the width of what it makes ASCII', () => {
    expect(toAscii('✓ done › … 3 more é')).toBe('+ done > ~ 3 more ?');
  });
});
