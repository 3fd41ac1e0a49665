import { homedir } from 'node:os';
import { loadSettings, type Settings } from '../../settings/settings.js';
import type { CommandContext } from '../context.js';

/** The settings of the process that a command runs in. @throws Failure (exit 2) */
export async function settingsOf({ env, cwd }: CommandContext): Promise<Settings> {
  return loadSettings({ env, cwd, home: env['HOME'] || homedir() });
}
