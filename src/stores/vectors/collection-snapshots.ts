import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { HttpError } from './vector-failure.js';
import { collectionPath } from './vector-requests.js';
import type { VectorStore } from './vector-store.js';

/** A snapshot as the server lists it. */
export interface CollectionSnapshot {
  name: string;
  /** Bytes. */
  size: number;
  /** SHA-256 in hexadecimal digits; null from servers that keep none. */
  checksum: string | null;
}

/** `in-place`: the server read its own file; `uploaded`: the file went through Lifeboat. */
export type RestoreWay = 'in-place' | 'uploaded';

/** The server says nothing before a snapshot is packed or unpacked. */
const MIN_TIMEOUT_MS = 60 * 60_000;

/** Where Qdrant's own image keeps its snapshots. */
const IMAGE_FOLDER = '/qdrant/snapshots';

/**
 * Takes a snapshot, which the server keeps until it is deleted, also when its collection is deleted. It holds points,
 * indexes and settings of this node, not the aliases. Names are the collection's own, not aliases.
 *
 * @throws Failure "disk-full" where there is no room for it, "read-only-key", "collection-missing"
 */
export async function createSnapshot(store: VectorStore, collection: string): Promise<CollectionSnapshot> {
  const made = await store.requests.result<ListedSnapshot>({
    operation: 'take a snapshot of the collection',
    method: 'POST',
    path: collectionPath(collection, '/snapshots?wait=true'),
    // Each request makes another one.
    retry: 'never',
    timeoutMs: patience(store),
  });
  return described(made);
}

/** The snapshots of a collection. @throws Failure "collection-missing": the server lists none of a deleted one */
export async function listSnapshots(store: VectorStore, collection: string): Promise<CollectionSnapshot[]> {
  const found = await store.requests.result<ListedSnapshot[]>({
    operation: 'list the snapshots',
    method: 'GET',
    path: collectionPath(collection, '/snapshots'),
  });
  return found.map(described);
}

/** @returns false where there was no such snapshot */
export async function deleteSnapshot(store: VectorStore, collection: string, name: string): Promise<boolean> {
  try {
    return await store.requests.result<boolean>({
      operation: 'delete the snapshot',
      method: 'DELETE',
      path: `${snapshotPath(collection, name)}?wait=true`,
    });
  } catch (error) {
    if (httpError(error)?.status === 404) return false;
    throw error;
  }
}

/**
 * Makes a collection what it was when a snapshot of it was taken, also where it was deleted and made again since then; to
 * reach the snapshot of a deleted collection, make one of the same name with the same vectors first. Doing it again changes
 * nothing. Indexes of a collection that was made again, and aliases, are the caller's to make.
 *
 * A server restores from a file or from a URL, and does not say where its files are. The folder of Qdrant's own image is
 * tried first: the answer takes milliseconds where it is another, and where it is the one nothing crosses the network. The
 * checksum makes sure that it is the same file. Otherwise the snapshot is downloaded and uploaded at the same time, which
 * every version does, behind every proxy, and with snapshots in an object store, without a copy on this machine. The
 * server's own URL as the source is not used: behind port mappings, TLS and proxies the server often does not know
 * itself under the address that we know it by, it would have to be sent its own key, and newer versions can forbid it.
 *
 * @param folder where the server keeps its snapshots
 * @throws Failure "snapshot-missing", "snapshot-incompatible", "snapshot-damaged", "disk-full", "read-only-key"
 */
export async function restoreSnapshot(
  store: VectorStore,
  collection: string,
  name: string,
  folder = IMAGE_FOLDER,
): Promise<RestoreWay> {
  const snapshot = (await listSnapshots(store, collection)).find((one) => one.name === name);
  const checksum = snapshot?.checksum ?? null;
  if (checksum !== null && (await restoreInPlace(store, collection, name, { folder, checksum })))
    return 'in-place';
  await restoreByUpload(store, collection, name, checksum);
  return 'uploaded';
}

/** @returns false where the server has no such file */
async function restoreInPlace(
  store: VectorStore,
  collection: string,
  name: string,
  { folder, checksum }: { folder: string; checksum: string },
): Promise<boolean> {
  const location = `file://${folder}/${encodeURIComponent(collection)}/${encodeURIComponent(name)}`;
  try {
    await store.requests.result({
      operation: 'restore the snapshot',
      method: 'PUT',
      path: collectionPath(collection, '/snapshots/recover?wait=true'),
      body: { location, priority: 'snapshot', checksum },
      timeoutMs: patience(store),
    });
    return true;
  } catch (error) {
    const { status, message } = httpError(error) ?? { status: 0, message: '' };
    const isElsewhere = status === 403 || (status === 400 && /snapshot (?:file|path|URI)\b/i.test(message));
    if (isElsewhere) return false;
    throw error;
  }
}

async function restoreByUpload(
  store: VectorStore,
  collection: string,
  name: string,
  checksum: string | null,
): Promise<void> {
  const timeoutMs = patience(store);
  const download = await store.requests.download({
    operation: 'read the snapshot',
    method: 'GET',
    path: snapshotPath(collection, name),
    timeoutMs,
  });
  const query = `?priority=snapshot&wait=true${checksum === null ? '' : `&checksum=${checksum}`}`;
  try {
    await store.requests.upload(
      {
        operation: 'restore the snapshot',
        method: 'POST',
        path: collectionPath(collection, `/snapshots/upload${query}`),
        timeoutMs,
      },
      formOf(download, name),
    );
  } finally {
    download.destroy();
  }
}

/**
 * A form with one file. Qdrant keeps what it is sent among the collection's snapshots, under the file's name: so the name
 * is that of the snapshot itself, which is replaced by itself, or each restore would leave a copy.
 */
function formOf(
  download: IncomingMessage,
  name: string,
): { contentType: string; length: number | null; content: Readable } {
  const boundary = `lifeboat-${randomUUID()}`;
  const head = Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="snapshot"; filename="${name.replaceAll('"', '%22')}"\r\n` +
      'Content-Type: application/octet-stream\r\n\r\n',
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  async function* parts(): AsyncGenerator<Buffer> {
    yield head;
    for await (const chunk of download) yield chunk as Buffer;
    yield tail;
  }
  const size = Number(download.headers['content-length'] ?? NaN);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    length: Number.isSafeInteger(size) ? head.length + size + tail.length : null,
    content: Readable.from(parts(), { objectMode: false }),
  };
}

interface ListedSnapshot {
  name: string;
  size: number;
  checksum?: string | null;
}

function described({ name, size, checksum }: ListedSnapshot): CollectionSnapshot {
  return { name, size, checksum: checksum ?? null };
}

function snapshotPath(collection: string, name: string): string {
  return collectionPath(collection, `/snapshots/${encodeURIComponent(name)}`);
}

function httpError(error: unknown): HttpError | null {
  const { cause } = error as Error;
  return cause instanceof HttpError ? cause : null;
}

function patience(store: VectorStore): number {
  return Math.max(store.address.timeoutMs, MIN_TIMEOUT_MS);
}
