/**
 * What a command may know of the process it runs in. `cli.ts` makes the one real context; tests make their own.
 * Commands never touch `process` themselves.
 */
export interface CommandContext {
  /** Lifeboat's own version. */
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute path that relative paths in arguments start from. */
  readonly cwd: string;
  /** The streams that a terminal UI would use; null where there are none, as in tests. */
  readonly terminal: { readonly stdin: NodeJS.ReadStream; readonly stdout: NodeJS.WriteStream } | null;
  /** Writes results, as given, to stdout. */
  out(text: string): void;
  /** Writes messages, as given, to stderr. */
  err(text: string): void;
  /** Sets the exit code that the process will end with. */
  setExitCode(code: number): void;
  /** Calls back on every SIGINT, SIGTERM and SIGHUP until the returned function is called. */
  onInterrupt(listener: () => void): () => void;
  /** Sets variables of this process that libraries read while they load. */
  setEnvironment(variables: Record<string, string>): void;
}
