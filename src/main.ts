import { CommanderError, Command } from 'commander';
import type { CommandContext } from './commands/context.js';
import { loadAsked, type Loaders } from './commands/loaders.js';
import { ExitCode, Failure, Interrupted } from './failure.js';
import { keepHeapSmall } from './heap.js';
import { readPackage } from './package.js';
import { wrapHelp } from './report/hanging.js';

const MINIMUM_NODE = [22, 19] as const;

const COMMANDS: Loaders = {
  assess: async () => (await import('./commands/assess.js')).addAssessCommand,
  recover: async () => (await import('./commands/recover.js')).addRecoverCommand,
  repair: async () => (await import('./commands/repair.js')).addRepairCommand,
  backup: async ([asked]) => (await import('./commands/backup.js')).loadBackupCommand(asked),
  daemon: async () => (await import('./commands/daemon.js')).addDaemonCommand,
  runs: async () => (await import('./commands/runs.js')).addRunsCommand,
  validate: async () => (await import('./commands/assess.js')).addValidateCommand,
  drill: async () => (await import('./commands/drill.js')).addDrillCommand,
  config: async () => (await import('./commands/config.js')).addConfigCommand,
  sandbox: async () => {
    const [{ addSandboxCommand }, { addSandboxDataCommands }] = await Promise.all([
      import('./commands/sandbox.js'),
      import('./commands/sandbox-data.js'),
    ]);
    return (program, context) => addSandboxDataCommands(addSandboxCommand(program, context), context);
  },
};

/** The composition root: the only reader of argv and environment, the only setter of the exit code. */
export async function main(process: NodeJS.Process): Promise<void> {
  if (!isNodeNewEnough(process.versions.node)) {
    process.stderr.write(
      `lifeboat needs Node.js ${MINIMUM_NODE.join('.')} or newer; this is ${process.versions.node}.\n`,
    );
    process.exitCode = ExitCode.usage;
    return;
  }
  keepHeapSmall();
  // Whoever reads the output may leave (`| head`), or its disk be full. A recovery is not given up midway for that: its
  // folder holds everything that was said.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const context = commandContext(process, greet(process));
  try {
    const program = await buildProgram(context, process.argv.slice(2));
    await program.parseAsync(process.argv);
  } catch (error) {
    context.setExitCode(explain(error, context));
  }
  // Whoever interrupts wants the process gone, and not after some silent server's last timeout.
  if (process.exitCode === ExitCode.interrupted) process.stdout.write('', () => process.exit());
}

function isNodeNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1]);
}

async function buildProgram(context: CommandContext, [name, ...words]: readonly string[]): Promise<Command> {
  // Help by hand is as long as an editor is wide; commander wraps only its own.
  const stdout = context.terminal?.stdout;
  const width = stdout?.isTTY === true && stdout.columns > 0 ? stdout.columns : Infinity;
  const program = new Command('lifeboat')
    .description('Brings an AI memory service back after its stores were damaged, and proves the result.')
    .version(readPackage().version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.out(wrapHelp(text, width)),
      writeErr: (text) => context.err(text),
    })
    .showHelpAfterError('(lifeboat --help lists the commands)');
  // Which version it is, is asked by scripts all the time, and needs no command.
  if (name === '--version' || name === '-V') return program;
  for (const add of await loadAsked(COMMANDS, name, words)) add(program, context);
  return program;
}

/** What runs takes a moment to load; a person sees a word before that. */
const GREETED = new Set(['assess', 'recover', 'repair', 'validate', 'drill']);
const ERASE_LINE = '\r\u001B[2K';

/** Says in a terminal that Lifeboat is there. @returns how to take it away again, before anything else is written */
function greet({ argv, env, stdin, stdout }: NodeJS.Process): () => void {
  const isPlain = argv.some((word) => ['--json', '--no-input', '--help', '-h'].includes(word));
  // Like the terminal UI, only where nobody reads the output but a person.
  const isSeen =
    stdin.isTTY && stdout.isTTY && env['TERM'] !== 'dumb' && !isPlain && GREETED.has(argv[2] ?? '');
  if (!isSeen) return () => undefined;
  stdout.write('Lifeboat is starting.');
  let isThere = true;
  return () => {
    if (isThere) stdout.write(ERASE_LINE);
    isThere = false;
  };
}

/** What asks a process to end: an operator, a supervisor, a terminal that is closed (Node.js hears that under nohup too). */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function commandContext(process: NodeJS.Process, beforeOutput: () => void): CommandContext {
  const write = (stream: NodeJS.WriteStream) => (text: string) => {
    beforeOutput();
    stream.write(text);
  };
  return {
    version: readPackage().version,
    env: process.env,
    cwd: process.cwd(),
    terminal: { stdin: process.stdin, stdout: process.stdout },
    out: write(process.stdout),
    err: write(process.stderr),
    setExitCode: (code) => (process.exitCode = code),
    onInterrupt: (listener) => {
      for (const signal of ENDING) process.on(signal, listener);
      return () => {
        for (const signal of ENDING) process.off(signal, listener);
      };
    },
    setEnvironment: (variables) => void Object.assign(process.env, variables),
  };
}

/** Prints what went wrong in words; a stack trace only on request. */
function explain(error: unknown, context: CommandContext): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
  if (error instanceof Failure) {
    context.err(`${error.message}\n${error.hint}\n`);
    return error.exitCode;
  }
  if (error instanceof Interrupted) return ExitCode.interrupted;
  const message = error instanceof Error ? error.message : String(error);
  context.err(
    `This is a bug in Lifeboat: ${message}\nPlease report it with the output of: lifeboat --version\n`,
  );
  const wantsTrace = context.env['LIFEBOAT_STACK_TRACE'] !== undefined;
  if (wantsTrace && error instanceof Error) context.err(`${error.stack ?? ''}\n`);
  else context.err('Set LIFEBOAT_STACK_TRACE=1 to see where it happened.\n');
  return ExitCode.failed;
}
