import type { Archive } from '../../stores/archive/archive.js';
import { readBeside } from '../beside-file.js';
import { isSealed } from '../create/write-manifest.js';
import { besidePath } from '../layout.js';
import { baseOf, parseManifest, type Manifest } from '../manifest.js';
import type { PairProblem } from '../pair/pair-problems.js';
import type { BackupPair } from '../types.js';

/** The manifest of a pair as far as it can be trusted. */
export interface ManifestCheck {
  /** Null where there is none, or none that proves itself. */
  manifest: Manifest | null;
  /** Whether a file lies there under its name. */
  isThere: boolean;
  problems: PairProblem[];
}

/**
 * Reads the manifest of a pair and demands that it is, to the last bit, what was written.
 *
 * @throws Failure when the archive itself cannot be read
 */
export async function sealedManifest(archive: Archive, pair: BackupPair): Promise<ManifestCheck> {
  const path = baseOf(pair) + besidePath('manifest', pair.timestamp);
  const text = await readBeside(archive, path);
  if (text === null) return { manifest: null, isThere: false, problems: [] };
  const seal = isSealed(text);
  if (seal === false)
    return bad('manifest-changed', `${path} was changed after it was written: its checksum does not fit`);
  const parsed = parseManifest(path, text);
  if (typeof parsed === 'string') return bad('manifest-unreadable', parsed);
  if (seal === null)
    return bad('manifest-unsealed', `${path} lacks the checksum that Lifeboat writes at its end`);
  const { timestamp } = parsed.body;
  if (timestamp !== pair.timestamp)
    return bad(
      'manifest-other',
      `${path} is the manifest of ${typeof timestamp === 'string' ? `the backup ${timestamp}` : 'no backup'}`,
    );
  return { manifest: parsed, isThere: true, problems: [] };
}

/** The two halves may be what they were: what only the manifest knows is lost. */
function bad(code: string, message: string): ManifestCheck {
  const problem: PairProblem = { severity: 'loss', code, half: null, message, count: 0, records: [] };
  return { manifest: null, isThere: true, problems: [problem] };
}
