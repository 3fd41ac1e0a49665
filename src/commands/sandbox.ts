import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';

import { ExitCode } from '../failure.js';
import { sandboxDown, sandboxStatus, type SandboxStatus, sandboxUp } from '../sandbox/sandbox.js';
import type { SecretWish } from '../sandbox/sandbox-start.js';
import type { SandboxPlace } from '../sandbox/sandbox-state.js';
import type { CommandContext } from './context.js';

interface PlaceFlags {
  dir?: string;
  json?: true;
}

interface UpFlags extends PlaceFlags {
  aof?: true;
  /** `true` where the flag was given without a value. */
  falkordbPassword?: string | true;
  qdrantApiKey?: string | true;
}

/**
 * Adds `lifeboat sandbox` with `up`, `down` and `status`.
 *
 * @returns the `sandbox` command, for further subcommands
 */
export function addSandboxCommand(program: Command, context: CommandContext): Command {
  const sandbox = program
    .command('sandbox')
    .description(
      'real engines on this machine, to try Lifeboat out on: FalkorDB and Qdrant, no Docker, no root',
    );
  addUp(sandbox, context);
  addDown(sandbox, context);
  addStatus(sandbox, context);
  return sandbox;
}

function addUp(sandbox: Command, context: CommandContext): void {
  withPlace(sandbox.command('up'))
    .description(
      'start FalkorDB and Qdrant on free ports of the loopback address, and print the variables that name them',
    )
    .option('--aof', 'append-only file on, synced every second, as in the compose file of AutoMem')
    .option(
      '--falkordb-password [password]',
      'ask for a password; without a value: the former, else $FALKORDB_PASSWORD, else a new one',
    )
    .option(
      '--qdrant-api-key [key]',
      'ask for an API key; without a value: the former, else $QDRANT_API_KEY, else a new one',
    )
    .addHelpText(
      'after',
      `
The first use provisions the engines into ~/.cache/lifeboat (or $LIFEBOAT_CACHE): Python >= 3.10 and the network are
needed once. A value in a flag shows in the process list while this command runs; without one it does not.

Set the variables in your shell:  eval "$(lifeboat sandbox up)"

Exit codes:
  0  both are up (also if they were already)
  1  an engine could not be provisioned or started
  2  wrong usage, or it is up already with other settings`,
    )
    .action(async (flags: UpFlags) => up(flags, context));
}

async function up(flags: UpFlags, context: CommandContext): Promise<void> {
  const { env } = context;
  const { alreadyUp, ...info } = await sandboxUp({
    ...placeOf(flags, context),
    aof: flags.aof,
    falkordbPassword: secretOf(flags.falkordbPassword, env['FALKORDB_PASSWORD']),
    qdrantApiKey: secretOf(flags.qdrantApiKey, env['QDRANT_API_KEY']),
    onProgress: (message) => context.err(`${message}\n`),
  });
  context.err(`${alreadyUp ? 'the sandbox is up already' : 'the sandbox is up'} (${info.dataDir})\n`);
  if (flags.json) context.out(`${JSON.stringify({ type: 'sandbox', state: 'up', alreadyUp, ...info })}\n`);
  else context.out(exportLines(info.variables));
}

function addDown(sandbox: Command, context: CommandContext): void {
  withPlace(sandbox.command('down'))
    .description('end both engines and remove their data')
    .option('--keep-data', 'keep the data for a later "up"')
    .addHelpText(
      'after',
      `
Exit codes:
  0  both are down (also if they were already)
  1  an engine could not be ended
  2  wrong usage`,
    )
    .action(async (flags: PlaceFlags & { keepData?: true }) => {
      const keepData = flags.keepData ?? false;
      const onProgress = (message: string): void => context.err(`${message}\n`);
      const { wasUp, dataDir } = await sandboxDown({ ...placeOf(flags, context), keepData, onProgress });
      context.err(`${wasUp ? 'the sandbox is down' : 'the sandbox was not up'} (${dataDir})\n`);
      if (flags.json)
        context.out(`${JSON.stringify({ type: 'sandbox', state: 'down', wasUp, keepData, dataDir })}\n`);
    });
}

function addStatus(sandbox: Command, context: CommandContext): void {
  withPlace(sandbox.command('status'))
    .description('say whether both engines run and answer')
    .addHelpText(
      'after',
      `
Exit codes:
  0  both run and answer
  1  the state of the sandbox cannot be read
  2  wrong usage
  3  at least one does not run or does not answer`,
    )
    .action(async (flags: PlaceFlags) => {
      const status = await sandboxStatus(placeOf(flags, context));
      if (flags.json) context.out(`${JSON.stringify({ type: 'sandbox', ...status })}\n`);
      else context.out(statusLines(status));
      if (status.state !== 'up') context.setExitCode(ExitCode.notAsItShouldBe);
    });
}

function withPlace(command: Command): Command {
  return command
    .option(
      '--dir <folder>',
      'where the sandbox is kept (default: $LIFEBOAT_STATE/sandbox, ~/.local/state/lifeboat/sandbox)',
    )
    .option('--json', 'print one JSON object');
}

function placeOf(flags: PlaceFlags, context: CommandContext): SandboxPlace {
  return { dir: flags.dir, env: context.env, cwd: context.cwd };
}

/**
 * A secret that was asked for without a value is the one the sandbox has, else that of the environment, else a new one
 * of 192 bits.
 */
function secretOf(
  flag: string | true | undefined,
  fromEnvironment: string | undefined,
): SecretWish | undefined {
  if (flag === undefined) return undefined;
  if (flag !== true) return { value: flag, unlessSet: false };
  return { value: fromEnvironment || randomBytes(24).toString('base64url'), unlessSet: true };
}

function exportLines(variables: Record<string, string>): string {
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}=${shellQuote(value)}\n`)
    .join('');
}

/** In single quotes a POSIX shell takes everything as it is but the single quote itself. */
function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function statusLines(status: SandboxStatus): string {
  const line = (name: string, engine: SandboxStatus['falkordb']): string => {
    if (!engine.running) return `${name}  down\n`;
    const state = engine.answers ? 'up' : 'runs, but does not answer';
    return `${name}  ${state}  port ${engine.port ?? '?'}  process ${engine.pid ?? '?'}\n`;
  };
  return `sandbox   ${status.state}  ${status.dataDir}\n${line('FalkorDB', status.falkordb)}${line('Qdrant  ', status.qdrant)}`;
}
