import type { Command } from 'commander';
import { addCreateCommand } from './backup/create.js';
import { addSalvageCommand } from './backup/salvage.js';
import { addVerifyCommand } from './backup/verify.js';
import { addSqliteCommands } from './backup/restore.js';
import { addListCommand } from './backup/list.js';
import { addPinCommands } from './backup/pin.js';
import { addPlanCommand } from './backup/plan.js';
import { addPruneCommand } from './backup/prune.js';
import { addShowCommand } from './backup/show.js';
import type { CommandContext } from './context.js';

/** Adds `lifeboat backup` with its subcommands. */
export function addBackupCommand(program: Command, context: CommandContext): void {
  const backup = program.command('backup').description('backups: make them, prove them, keep the right ones');
  addCreateCommand(backup, context);
  addSqliteCommands(backup, context);
  addVerifyCommand(backup, context);
  addSalvageCommand(backup, context);
  addListCommand(backup, context);
  addShowCommand(backup, context);
  addPruneCommand(backup, context);
  addPinCommands(backup, context);
  addPlanCommand(backup, context);
}
