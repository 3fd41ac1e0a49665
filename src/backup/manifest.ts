import { createHash } from 'node:crypto';
import { pipeline, Transform } from 'node:stream';
import { parseJson, InvalidJson } from '../memory/json.js';
import { isMap, numeric, type Value, type ValueMap } from '../memory/values.js';
import type { Archive } from '../stores/archive/archive.js';
import { readBeside } from './beside-file.js';
import type { Block } from './create/block-writer.js';
import { isSealed } from './create/write-manifest.js';
import { baseOfPath, besidePath } from './layout.js';
import type { BackupPair } from './types.js';

/** What a manifest says of one file. */
export interface ManifestFile {
  bytes: number;
  sha256: string;
  encryption: 'age' | null;
  /** Of the gzip file inside the encryption; the same as `sha256` where there is none. */
  gzipSha256: string;
  /** Of the content, whatever its order; null in manifests that do not tell. */
  digest: string | null;
  /** The gzip members, in the file before any encryption; none in manifests that do not tell. */
  blocks: readonly Block[];
}

/** What Lifeboat writes beside a pair: AutoMem's own files carry no checksum, and say nothing of the collection. */
export interface Manifest {
  path: string;
  /** By path relative to the folder that the manifest lies in. */
  files: ReadonlyMap<string, ManifestFile>;
  collection: { config: Value; payloadSchema: Value } | null;
  /** Which half alone was backed up, on purpose. */
  only: 'graph' | 'vectors' | null;
  /** All of it, for people and for fields that only they read. */
  body: ValueMap;
}

/** How much a pair holds, as its manifest says; null of a half that it does not have. */
export interface PairCounts {
  memories: number | null;
  relationships: number | null;
  points: number | null;
}

/** What a manifest says that its pair holds. */
export function countsOf({ body }: Pick<Manifest, 'body'>): PairCounts {
  const count = (of: Value | undefined, name: string): number | null =>
    isMap(of) ? numeric(of[name]) : null;
  return {
    memories: count(body['graph'], 'memories'),
    relationships: count(body['graph'], 'relationships'),
    points: count(body['vectors'], 'points'),
  };
}

/** The folder that the store folders of a pair lie in: "" or a prefix that ends in "/". */
export function baseOf(pair: BackupPair): string {
  return baseOfPath(pair.graph?.path ?? pair.vectors?.path ?? '');
}

/**
 * The manifest of a pair: `lifeboat_<timestamp>.manifest.json` beside the folders of the stores.
 *
 * @returns null where there is none; a text that says what is wrong where it cannot be read as one
 * @throws Failure when the archive itself cannot be read
 */
export async function readManifest(archive: Archive, pair: BackupPair): Promise<Manifest | string | null> {
  const path = baseOf(pair) + besidePath('manifest', pair.timestamp);
  const text = await readBeside(archive, path);
  return text === null ? null : parseManifest(path, text);
}

/** A manifest from its text; what is wrong with it in words, where it is none or was changed. */
export function parseManifest(path: string, text: string): Manifest | string {
  try {
    const manifest = asManifest(path, parseJson(text));
    if (manifest !== null && isSealed(text) === false)
      return `${path} was changed after it was written: its checksum does not fit`;
    return manifest ?? `${path} is not a manifest`;
  } catch (error) {
    if (error instanceof InvalidJson) return `${path} is not JSON: ${error.message}`;
    throw error;
  }
}

function asManifest(path: string, value: Value): Manifest | null {
  if (!isMap(value) || !isMap(value['files'])) return null;
  const files = new Map<string, ManifestFile>();
  for (const [name, facts] of Object.entries(value['files'])) {
    const file = isMap(facts) ? asFile(facts) : null;
    if (file === null) return null;
    files.set(name, file);
  }
  const { collection, only } = value;
  return {
    path,
    files,
    collection: isMap(collection)
      ? { config: collection['config'] ?? null, payloadSchema: collection['payload_schema'] ?? null }
      : null,
    only: only === 'graph' || only === 'vectors' ? only : null,
    body: value,
  };
}

function asFile({ bytes, sha256, encryption, gzip_sha256, digest, blocks }: ValueMap): ManifestFile | null {
  if (typeof bytes !== 'number' || typeof sha256 !== 'string') return null;
  return {
    bytes,
    sha256: sha256.toLowerCase(),
    encryption: encryption === 'age' ? 'age' : null,
    gzipSha256: typeof gzip_sha256 === 'string' ? gzip_sha256.toLowerCase() : sha256.toLowerCase(),
    digest: typeof digest === 'string' ? digest : null,
    blocks: Array.isArray(blocks) ? blocks.filter(isBlock) : [],
  };
}

const BLOCK_NUMBERS = ['offset', 'bytes', 'json', 'first', 'records'] as const;

function isBlock(value: Value): value is ValueMap & Block {
  return (
    isMap(value) &&
    typeof value['sha256'] === 'string' &&
    BLOCK_NUMBERS.every((name) => typeof value[name] === 'number')
  );
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

  open: Archive['open'] = async (path, range, version) => {
    const source = await this.plain.open(path, range, version);
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
