import { createHash } from 'node:crypto';
import { pipeline, Transform } from 'node:stream';
import { Failure } from '../failure.js';
import { parseJson, InvalidJson } from '../memory/json.js';
import { isMap, type Value, type ValueMap } from '../memory/values.js';
import { LAYOUT_PREFIX, readAll, type Archive } from '../stores/archive/archive.js';
import type { BackupPair } from './types.js';

/** What Lifeboat writes beside a pair: AutoMem's own files carry no checksum, and say nothing of the collection. */
export interface Manifest {
  path: string;
  /** By path relative to the folder that the manifest lies in. */
  files: ReadonlyMap<string, { bytes: number; sha256: string }>;
  collection: { config: Value; payloadSchema: Value } | null;
}

/** The folder that the store folders of a pair lie in: "" or a prefix that ends in "/". */
export function baseOf(pair: BackupPair): string {
  const path = pair.graph?.path ?? pair.vectors?.path ?? '';
  return path.startsWith(`${LAYOUT_PREFIX}/`) ? `${LAYOUT_PREFIX}/` : '';
}

/**
 * The manifest of a pair: `lifeboat_<timestamp>.manifest.json` beside the folders of the stores.
 *
 * @returns null where there is none; a text that says what is wrong where it cannot be read as one
 * @throws Failure when the archive itself cannot be read
 */
export async function readManifest(archive: Archive, pair: BackupPair): Promise<Manifest | string | null> {
  const path = `${baseOf(pair)}lifeboat_${pair.timestamp}.manifest.json`;
  let text: string;
  try {
    text = (await readAll(await archive.open(path))).toString();
  } catch (error) {
    if (error instanceof Failure && error.code === 'archive-file-missing') return null;
    throw error;
  }
  try {
    return asManifest(path, parseJson(text)) ?? `${path} is not a manifest`;
  } catch (error) {
    if (error instanceof InvalidJson) return `${path} is not JSON: ${error.message}`;
    throw error;
  }
}

function asManifest(path: string, value: Value): Manifest | null {
  if (!isMap(value) || !isMap(value['files'])) return null;
  const files = new Map<string, { bytes: number; sha256: string }>();
  for (const [name, facts] of Object.entries(value['files'])) {
    const { bytes, sha256 }: ValueMap = isMap(facts) ? facts : {};
    if (typeof bytes !== 'number' || typeof sha256 !== 'string') return null;
    files.set(name, { bytes, sha256: sha256.toLowerCase() });
  }
  const { collection } = value;
  return {
    path,
    files,
    collection: isMap(collection)
      ? { config: collection['config'] ?? null, payloadSchema: collection['payload_schema'] ?? null }
      : null,
  };
}

/**
 * The same archive; what is read of whole files is hashed as it passes, so that a file need not be read twice.
 */
export class HashingArchive implements Archive {
  readonly place: string;
  private readonly hashes = new Map<string, { bytes: number; sha256: string }>();

  constructor(readonly plain: Archive) {
    this.place = plain.place;
  }

  list: Archive['list'] = () => this.plain.list();

  open: Archive['open'] = async (path, range) => {
    const source = await this.plain.open(path, range);
    if (range !== undefined) return source;
    const hash = createHash('sha256');
    let bytes = 0;
    const tap = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        hash.update(chunk);
        done(null, chunk);
      },
      flush: (done) => {
        this.hashes.set(path, { bytes, sha256: hash.digest('hex') });
        done();
      },
    });
    // Errors reach whoever reads the tap.
    return pipeline(source, tap, () => undefined);
  };

  /** Size and hash of a file, reading it only if it was not read to its end before. */
  async hashOf(path: string): Promise<{ bytes: number; sha256: string }> {
    const known = this.hashes.get(path);
    if (known !== undefined) return known;
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of (await this.plain.open(path)) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
    }
    return { bytes, sha256: hash.digest('hex') };
  }
}
