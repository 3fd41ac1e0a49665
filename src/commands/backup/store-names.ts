import { basename } from 'node:path';
import type { InventoryBackup } from '../../backup/inventory/inventory.js';
import { oneLine, printable } from '../../report/text.js';

/**
 * How the stores of backups are called in a table: "automem", "sqlite:memory.db"; the whole path where two stores share a
 * name.
 *
 * @returns null where all are AutoMem's, and nothing needs to be told apart
 */
export function storeNames(
  backups: readonly InventoryBackup[],
): ((backup: InventoryBackup) => string) | null {
  if (backups.every(({ kind }) => kind === 'automem')) return null;
  const paths = [...new Set(backups.flatMap(({ source }) => source ?? []))];
  const nameOf = (path: string): string => {
    const isShared = paths.some((other) => other !== path && basename(other) === basename(path));
    return isShared ? path : basename(path);
  };
  return ({ kind, source }) => (source === null ? kind : oneLine(printable(`${kind}:${nameOf(source)}`)));
}
