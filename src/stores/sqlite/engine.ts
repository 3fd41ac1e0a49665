import type * as Sqlite from 'node:sqlite';

import { ExitCode, Failure } from '../../failure.js';

export type SqliteEngine = typeof Sqlite;

let engine: SqliteEngine | undefined;

/**
 * The SQLite that comes with Node.js, loaded when it is first needed: most commands never do.
 *
 * Node.js 22 calls it experimental on the standard error stream as it loads; those who recover a memory service can do nothing
 * about that, and a script that reads the stream would stumble, so this one warning is left out.
 *
 * @throws Failure where Node.js was built without SQLite
 */
export function sqliteEngine(): SqliteEngine {
  engine ??= quietly(() => process.getBuiltinModule('node:sqlite') as SqliteEngine | undefined);
  if (engine === undefined) {
    throw new Failure({
      operation: 'open SQLite files',
      subject: `Node.js ${process.versions.node}`,
      reason: 'this Node.js was built without SQLite',
      hint: 'Run Lifeboat on a Node.js from nodejs.org, 22.19 or newer.',
      exitCode: ExitCode.failed,
      code: 'sqlite-unavailable',
    });
  }
  return engine;
}

/** Loading is synchronous: no other warning can come up in between, and whatever else is warned of is passed on. */
function quietly<T>(load: () => T): T {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called on the process, and put back as it was
  const passOn = process.emitWarning;
  process.emitWarning = (...args: unknown[]) => {
    if (!/sqlite is an experimental feature/i.test(String(args[0]))) Reflect.apply(passOn, process, args);
  };
  try {
    return load();
  } finally {
    process.emitWarning = passOn;
  }
}
