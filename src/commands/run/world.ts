import { decryptingArchive } from '../../backup/decrypting-archive.js';
import { readIdentities } from '../../backup/encryption.js';
import { localArchive } from '../../stores/archive/local-archive.js';
import { s3Archive } from '../../stores/archive/s3-archive.js';
import type { Archive } from '../../stores/archive/archive.js';
import type { GraphAddress } from '../../stores/graph/connection.js';
import { GraphStore } from '../../stores/graph/graph-store.js';
import type { ApiAddress } from '../../stores/service/automem-api.js';
import type { VectorAddress } from '../../stores/vectors/vector-failure.js';
import { VectorStore } from '../../stores/vectors/vector-store.js';
import type { Settings } from '../../settings/settings.js';

/** Milliseconds that one request to Qdrant may take where QDRANT_TIMEOUT_SECONDS is not set. */
const DEFAULT_VECTOR_TIMEOUT_MS = 60_000;

export function graphAddress({ graph }: Settings): GraphAddress {
  return {
    host: graph.host,
    port: graph.port,
    tls: graph.tls,
    ...(graph.password === null ? {} : { username: graph.username, password: graph.password }),
    ...(graph.caFile === null ? {} : { caFile: graph.caFile }),
  };
}

export function vectorAddress({ vectors }: Settings): VectorAddress {
  return {
    url: vectors.url,
    timeoutMs: vectors.timeoutMs ?? DEFAULT_VECTOR_TIMEOUT_MS,
    ...(vectors.apiKey === null ? {} : { apiKey: vectors.apiKey }),
  };
}

/** AutoMem itself. */
export function serviceAddress({ service }: Settings): ApiAddress {
  return { url: service.url, apiToken: service.apiToken, adminToken: service.adminToken };
}

/** Places with backups, in order of preference. Encrypted ones are opened with the keys of the settings. */
export function archives(settings: Settings): Archive[] {
  const { backups } = settings;
  const local = localArchive(backups.dir);
  const places = backups.s3 === null ? [local] : [local, s3Archive(backups.s3)];
  return places.map((place) => decryptingArchive(place, () => secretKeys(settings)));
}

/** The keys that open encrypted backups; none where none are set. @throws Failure where their file cannot be used */
export async function secretKeys({ backups: { identityFile } }: Settings): Promise<string[]> {
  return identityFile === null ? [] : readIdentities(identityFile);
}

/** Connections of a run, opened when they are first needed and closed together. */
export class Connections {
  private readonly graphs: GraphStore[] = [];
  private ownGraph: GraphStore | null = null;
  private vectorStore: VectorStore | null = null;

  constructor(
    private readonly settings: Settings,
    /** Milliseconds that a graph query may take; 0 leaves it to the server. */
    private readonly queryTimeoutMs: () => number,
  ) {}

  readonly openGraph = async (): Promise<GraphStore> => {
    const store = await GraphStore.open(graphAddress(this.settings));
    store.queryTimeoutMs = this.queryTimeoutMs();
    this.graphs.push(store);
    return store;
  };

  /** The run's own connection, made anew where the one before broke. */
  readonly graph = async (): Promise<GraphStore> => {
    if (this.ownGraph?.redis.status !== 'ready') this.ownGraph = await this.openGraph();
    return this.ownGraph;
  };

  vectors(): VectorStore {
    return (this.vectorStore ??= new VectorStore(vectorAddress(this.settings)));
  }

  close(): void {
    for (const graph of this.graphs) graph.close();
    this.vectorStore?.close();
  }
}
