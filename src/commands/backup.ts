import type { CommandContext } from './context.js';
import { loadAsked, type AddCommand, type Loaders } from './loaders.js';

const SUBCOMMANDS: Loaders = {
  create: async () => (await import('./backup/create.js')).addCreateCommand,
  restore: async () => (await import('./backup/restore.js')).addSqliteCommands,
  'rebuild-graph': async () => (await import('./backup/restore.js')).addSqliteCommands,
  verify: async () => (await import('./backup/verify.js')).addVerifyCommand,
  salvage: async () => (await import('./backup/salvage.js')).addSalvageCommand,
  list: async () => (await import('./backup/list.js')).addListCommand,
  show: async () => (await import('./backup/show.js')).addShowCommand,
  prune: async () => (await import('./backup/prune.js')).addPruneCommand,
  pin: async () => (await import('./backup/pin.js')).addPinCommands,
  unpin: async () => (await import('./backup/pin.js')).addPinCommands,
  plan: async () => (await import('./backup/plan.js')).addPlanCommand,
};

/**
 * `lifeboat backup` with its subcommands.
 *
 * @param asked the word after "backup"; anything but a subcommand's name needs all of them
 */
export async function loadBackupCommand(asked?: string): Promise<AddCommand> {
  const subcommands = await loadAsked(SUBCOMMANDS, asked);
  return (program, context: CommandContext) => {
    const backup = program
      .command('backup')
      .description('backups: make them, prove them, keep the right ones');
    for (const add of subcommands) add(backup, context);
  };
}
