import type { Command } from 'commander';
import type { CommandContext } from './context.js';

/** Adds a command, with its options and what it does, to the program or to the command that it belongs to. */
export type AddCommand = (parent: Command, context: CommandContext) => unknown;

/** Commands by name, each loaded when it is asked for: on the worst evening, a second counts. */
export type Loaders = Readonly<Record<string, (words: readonly string[]) => Promise<AddCommand>>>;

/**
 * Loads the command that a word names, or all of them where it names none: help, an option, a mistake.
 *
 * @param words what follows it
 */
export async function loadAsked(
  loaders: Loaders,
  asked: string | undefined,
  words: readonly string[] = [],
): Promise<AddCommand[]> {
  const load = asked !== undefined && Object.hasOwn(loaders, asked) ? loaders[asked] : undefined;
  const wanted = load === undefined ? Object.values(loaders) : [load];
  // Some files add two commands.
  return [...new Set(await Promise.all(wanted.map((one) => one(load === undefined ? [] : words))))];
}
