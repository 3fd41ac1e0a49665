import { LAYOUT_PREFIX } from '../stores/archive/archive.js';

/** What an encrypted file's name ends in, as the `age` command expects it. */
export const ENCRYPTED_SUFFIX = '.age';

/** The names of AutoMem's two files of one timestamp, relative to the folder that the pair lies in. */
export function halfPath(half: 'graph' | 'vectors', timestamp: string): string {
  const store = half === 'graph' ? 'falkordb' : 'qdrant';
  return `${store}/${store}_${timestamp}.json.gz`;
}

/** The name of a file that Lifeboat keeps beside a pair, relative to the folder that the pair lies in. */
export function besidePath(what: 'manifest' | 'verified' | 'pinned', timestamp: string): string {
  return `lifeboat_${timestamp}.${what}.json`;
}

/** The folder that a file of a pair lies in: "" or a prefix that ends in "/". */
export function baseOfPath(path: string): string {
  const at = path.search(/(?:^|\/)(?:falkordb|qdrant)\//);
  if (at > 0) return path.slice(0, at + 1);
  return path.startsWith(`${LAYOUT_PREFIX}/`) ? `${LAYOUT_PREFIX}/` : '';
}

/** `YYYYMMDD_HHMMSS`, UTC, as AutoMem names its backups. */
export function timestampOf(date: Date): string {
  const digits = date.toISOString().replace(/\D/g, '');
  return `${digits.slice(0, 8)}_${digits.slice(8, 14)}`;
}
