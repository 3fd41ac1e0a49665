/** What the terminal can do, told from facts that are handed in. Pure: the caller reads the environment. */

export type Environment = Readonly<Record<string, string | undefined>>;

export interface TerminalFacts {
  stdin: { isTTY?: boolean | undefined };
  stdout: { isTTY?: boolean | undefined };
  env: Environment;
  /** `--json` was given. */
  json: boolean;
  /** False where `--no-input` was given. */
  input: boolean;
}

/** Whether the terminal UI may be mounted; where not, the plain lines or NDJSON are printed. */
export function canMountUi({ stdin, stdout, env, json, input }: TerminalFacts): boolean {
  if (json || !input) return false;
  if (stdin.isTTY !== true || stdout.isTTY !== true) return false;
  return !inCi(env) && env['TERM'] !== 'dumb';
}

/**
 * The variables that must be set before `mount.js` is imported. The colour library reads FORCE_COLOR while it loads and
 * does not know NO_COLOR; React loads its development build, which keeps a record of every frame that it draws, unless
 * NODE_ENV says otherwise.
 */
export function uiEnvironment(env: Environment): Record<string, string> {
  const noColor = env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '';
  return {
    ...(noColor ? { FORCE_COLOR: '0' } : {}),
    ...(env['NODE_ENV'] === undefined ? { NODE_ENV: 'production' } : {}),
  };
}

/** Whether the locale can show more than ASCII; without one, the answer is no. */
export function isUtf8Locale(env: Environment): boolean {
  // The first of the three that is set counts, as POSIX has it.
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find(
    (value) => value !== undefined && value !== '',
  );
  return locale !== undefined && /utf-?8/i.test(locale);
}

export interface TerminalSize {
  columns: number;
  rows: number;
}

/** The size of the terminal; one that says 0×0, or nothing, counts as 80×24. */
export function terminalSize(stdout: { columns?: number; rows?: number }): TerminalSize {
  return { columns: positive(stdout.columns) ?? 80, rows: positive(stdout.rows) ?? 24 };
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}

function inCi(env: Environment): boolean {
  const ci = env['CI'];
  return ci !== undefined && ci !== '' && ci !== '0' && ci !== 'false';
}
