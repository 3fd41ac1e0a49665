import { createHash } from 'node:crypto';

export const MANIFEST_FORMAT = 'lifeboat-backup';
const SEAL = ',\n "manifest_sha256": ';

/** The text of a manifest, sealed: its last member is the SHA-256 of everything before it, so that it proves itself. */
export function sealManifest(body: object): string {
  const open = JSON.stringify(body, null, 1).replace(/\n\}$/, '');
  return `${open}${sealOf(open)}`;
}

/**
 * Whether the text of a manifest is as it was written, to the last bit.
 *
 * @returns null where it carries no seal
 */
export function isSealed(text: string): boolean | null {
  const at = text.lastIndexOf(SEAL);
  if (at < 0) return text.includes('"manifest_sha256"') ? false : null;
  const open = text.slice(0, at);
  return text === `${open}${sealOf(open)}`;
}

function sealOf(open: string): string {
  return `${SEAL}"${createHash('sha256').update(open).digest('hex')}"\n}\n`;
}
