import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { ExitCode, Failure } from '../failure.js';

/** One variable as a source gave it. */
export interface SourcedValue {
  value: string;
  /** Where it was set, for people: "the environment", "./.env line 3". */
  origin: string;
}

interface Binding extends SourcedValue {
  name: string;
}

/** Text that is neither an assignment nor a comment. */
interface Unreadable {
  /** What it seems to set: also the lines that a quote swallows because it is not closed. */
  names: readonly string[];
  line: number;
}

/** Where the environment is looked for. */
export interface EnvironmentSources {
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  home: string;
}

/**
 * Every variable from the environment, then ./.env, then ~/.config/automem/.env. The first source that names a
 * variable wins, also when it sets it to nothing: so does AutoMem, and both must talk to the same stores.
 *
 * @param known names whose unreadable lines are an error; a broken line of another program is left alone
 * @throws Failure (exit 2) for a file that is there but cannot be read, or a broken line of a known name
 */
export async function readEnvironment(
  sources: EnvironmentSources,
  known: ReadonlySet<string>,
): Promise<Map<string, SourcedValue>> {
  const merged = new Map<string, SourcedValue>();
  for (const [name, value] of Object.entries(sources.env)) {
    if (value !== undefined) merged.set(name, { value, origin: 'the environment' });
  }
  const files = [
    { path: join(sources.cwd, '.env'), label: './.env' },
    { path: join(sources.home, '.config', 'automem', '.env'), label: '~/.config/automem/.env' },
  ];
  for (const { path, label } of files) {
    const text = await readIfPresent(path, label);
    if (text === null) continue;
    const { bindings, unreadable } = parseEnvText(text, label, merged);
    const found = new Set([...merged.keys(), ...bindings.map(({ name }) => name)]);
    for (const { names, line } of unreadable) {
      const lost = names.find((name) => known.has(name) && !found.has(name));
      if (lost !== undefined) throw brokenLine(lost, line, label);
    }
    for (const { name, value, origin } of bindings) {
      if (!merged.has(name)) merged.set(name, { value, origin });
    }
  }
  return merged;
}

async function readIfPresent(path: string, label: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // AutoMem's loader, too, passes over a missing file or a directory of that name.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return null;
    throw new Failure(
      {
        operation: 'read the settings',
        subject: label,
        reason: code === 'EACCES' ? 'permission denied' : `it cannot be read (${code ?? String(error)})`,
        hint: `Make ${label} readable for this user, or move it away and set the variables in the environment.`,
        exitCode: ExitCode.usage,
        code: 'settings-unreadable',
      },
      { cause: error },
    );
  }
}

function brokenLine(name: string, line: number, label: string): Failure {
  return new Failure({
    operation: 'read the settings',
    subject: name,
    reason: `${label} cannot be read from line ${line} on, where ${name} is set: is a quote not closed, or followed by text?`,
    hint: `Write it as ${name}=value or ${name}="value" on one line.`,
    exitCode: ExitCode.usage,
    code: 'settings-invalid',
  });
}

// The grammar of python-dotenv (parser.py, variables.py), which AutoMem reads these files with. Node's own
// util.parseEnv reads some lines differently: it cuts an unquoted password at "#", and leaves ${NAME} as it is.
const BLANK = /\s*/y;
const EXPORT = /(?:export[^\S\r\n]+)?/y;
const KEY = /'([^']+)'|([^'=#\s][^=#\s]*)/y;
const EQUALS = /[^\S\r\n]*=([^\S\r\n]*)/y;
const SINGLE_QUOTED = /'((?:\\[^]|[^'\\])*)'/y;
const DOUBLE_QUOTED = /"((?:\\[^]|[^"\\])*)"/y;
const UNQUOTED = /[^\r\n]*/y;
const LINE_END = /(?:[^\S\r\n]*#[^\r\n]*)?[^\S\r\n]*(?:\r\n|\n|\r|$)/y;
const REST_OF_LINE = /[^\r\n]*(?:\r\n|\n|\r|$)/y;

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/**
 * Reads the text of an env file. Later assignments of the same file win, `${NAME}` and `${NAME:-default}` are
 * replaced, from what earlier sources set or from lines above.
 */
export function parseEnvText(
  text: string,
  label: string,
  earlier: ReadonlyMap<string, SourcedValue> = new Map(),
): { bindings: Binding[]; unreadable: Unreadable[] } {
  const source = text.replace(/^\uFEFF/, '');
  const here = new Map<string, Binding>();
  const unreadable: Unreadable[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  const lookUp = (name: string): string | undefined => (earlier.get(name) ?? here.get(name))?.value;

  for (;;) {
    take(BLANK);
    if (at >= source.length) break;
    const start = at;
    const line = lineAt(source, start);
    take(EXPORT);
    const isComment = source[at] === '#';
    const key = isComment ? null : take(KEY);
    const name = key?.[1] ?? key?.[2] ?? '';
    const value = key === null || take(EQUALS) === null ? null : takeValue(source, at, take);
    if ((key === null && !isComment) || value === undefined || take(LINE_END) === null) {
      // A quote that is never closed, or is followed by text: the file goes on with the next line, as in AutoMem.
      take(REST_OF_LINE);
      unreadable.push({ names: assignedIn(source.slice(start, at)), line });
    } else if (value === null) {
      // A name alone takes back what the file said before.
      here.delete(name);
    } else {
      here.set(name, { name, value: interpolate(value, lookUp), origin: `${label} line ${line}` });
    }
  }
  return { bindings: [...here.values()], unreadable };
}

/** The value that starts at `at`; undefined when a quote is never closed. */
function takeValue(
  source: string,
  at: number,
  take: (pattern: RegExp) => RegExpExecArray | null,
): string | undefined {
  const first = source[at];
  if (first === "'") return take(SINGLE_QUOTED)?.[1]?.replace(/\\([\\'])/g, '$1');
  if (first === '"') {
    return take(DOUBLE_QUOTED)?.[1]?.replace(/\\([\\'"abfnrtv])/g, (_, c: string) => ESCAPES[c] ?? c);
  }
  // `NAME= # comment` is empty; `NAME=#value` is not a comment.
  if (first === '#' && source[at - 1] !== '=') return '';
  return (take(UNQUOTED)?.[0] ?? '').replace(/\s+#.*/, '').trimEnd();
}

function interpolate(value: string, lookUp: (name: string) => string | undefined): string {
  return value.replace(
    /\$\{([^}:]*)(?::-([^}]*))?\}/g,
    (_, name: string, fallback: string | undefined) => lookUp(name) ?? fallback ?? '',
  );
}

function assignedIn(text: string): string[] {
  return [...text.matchAll(/^[^\S\r\n]*(?:export\s+)?'?(\w+)'?[^\S\r\n]*=/gm)].map(([, name]) => name ?? '');
}

function lineAt(source: string, index: number): number {
  return source.slice(0, index).split(/\r\n|\n|\r/).length;
}
