import { homedir } from 'node:os';

import type { Command } from 'commander';

import { redactor } from '../settings/redact.js';
import type { Setting } from '../settings/types.js';
import { loadSettings } from '../settings/settings.js';
import type { CommandContext } from './context.js';

const HELP = `
Settings come from the environment, then ./.env, then ~/.config/automem/.env: the first that names a variable wins.
What has no variable (objectives, retention, alerts) stands in ./lifeboat.config.yaml.

Exit codes:
  0  every setting is valid
  2  a setting is wrong: the message names it, where it was set and what it should look like`;

/** Adds `lifeboat config`, which prints the effective settings. */
export function addConfigCommand(program: Command, context: CommandContext): void {
  program
    .command('config')
    .description('print the effective settings and where each was set; secrets are redacted')
    .option('--json', 'print one JSON object instead of a table')
    .addHelpText('after', HELP)
    .action(async ({ json }: { json?: true }) => {
      const { env, cwd } = context;
      const settings = await loadSettings({ env, cwd, home: env['HOME'] || homedir() });
      // The list holds no secret; this catches one that was also written where none belongs.
      const redact = redactor(settings);
      const list = settings.list.map((setting) => ({
        ...setting,
        value: setting.value === null || setting.secret ? setting.value : redact(setting.value),
      }));
      context.out(json === true ? asJson(list) : asTable(list));
    });
}

function asJson(list: readonly Setting[]): string {
  return `${JSON.stringify({ type: 'settings', settings: list }, null, 2)}\n`;
}

function asTable(list: readonly Setting[]): string {
  const rows = [
    ['NAME', 'VALUE', 'FROM'],
    ...list.map(({ name, value, origin }) => [name, value ?? '–', origin]),
  ];
  const width = (column: number): number => Math.max(...rows.map((row) => (row[column] ?? '').length));
  const [first, second] = [width(0), width(1)];
  return rows
    .map(([name = '', value = '', from = '']) => `${name.padEnd(first)}  ${value.padEnd(second)}  ${from}\n`)
    .join('');
}
