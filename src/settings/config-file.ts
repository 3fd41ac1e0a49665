import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CONFIG_FILE, configFailure } from './config-failure.js';
import type { ConfigFile } from './config-schema.js';

/**
 * Reads lifeboat.config.yaml of a folder; without the file, an empty configuration.
 *
 * @throws Failure (exit 2) that names file, line and column of everything that is wrong
 */
export async function readConfigFile(cwd: string): Promise<ConfigFile> {
  let text: string;
  try {
    text = await readFile(join(cwd, CONFIG_FILE), 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return { config: {}, lines: new Map() };
    throw configFailure([`${CONFIG_FILE}: it cannot be read (${code ?? String(error)})`], error);
  }
  // Its reader is loaded only where there is something to read.
  const { parseConfig } = await import('./config-text.js');
  return parseConfig(text);
}
