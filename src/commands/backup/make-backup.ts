import { queryTimeout, readServerFacts } from '../../assess/graph-server.js';
import { createBackup, type CreatedBackup } from '../../backup/create/create-backup.js';
import type { OnRead } from '../../backup/create/graph-export.js';
import { ExitCode, Failure } from '../../failure.js';
import { watchLease } from './watch-lease.js';
import type { Settings } from '../../settings/settings.js';
import { unlessAborted } from '../run/unless-aborted.js';
import { Connections } from '../run/world.js';
import { backupPlaces, type Destination } from './places.js';

export interface MakeOptions {
  to: Destination | null;
  only: 'graph' | 'vectors' | null;
  encrypt: boolean;
  /** "0.1.0". */
  version: string;
  onRead: OnRead;
  signal: AbortSignal;
  now: () => Date;
}

/**
 * Backs both stores up to the places of the settings.
 *
 * @throws Failure where nothing could be written anywhere; where only some places failed, the result says which
 */
export async function makeBackup(settings: Settings, options: MakeOptions): Promise<CreatedBackup> {
  const { only, encrypt, signal, now, onRead } = options;
  const recipients = encrypt ? recipientsOf(settings) : [];
  const targets = backupPlaces(settings, options.to, signal).map((archive) => ({ archive, failure: null }));
  let timeoutMs = 0;
  const connections = new Connections(settings, () => timeoutMs);
  try {
    // Whoever stops it does not wait for a server that does not answer.
    const soon = <T>(work: Promise<T>): Promise<T> => unlessAborted(work, signal);
    const lease = await soon(watchLease(settings, connections.graph));
    const graph = only === 'vectors' ? null : await soon(connections.graph().then(readServerFacts));
    timeoutMs = graph === null ? 0 : queryTimeout(graph);
    const vectors = connections.vectors();
    const servers = {
      falkordb: graph?.version?.module ?? null,
      redis: graph?.version?.server ?? null,
      qdrant: only === 'graph' ? null : await soon(vectors.version()),
    };
    return await createBackup(
      {
        openGraph: connections.openGraph,
        graphName: settings.graph.name,
        vectors,
        collection: settings.vectors.collection,
      },
      targets,
      {
        only,
        recipients,
        onRead,
        now,
        signal,
        beforePlacing: () => soon(lease.assertQuiet()),
        facts: {
          tool: `lifeboat ${options.version}`,
          servers,
          embedding: embeddingOf(settings),
          excludedTypes: settings.excludedTypes,
        },
      },
    );
  } finally {
    connections.close();
  }
}

/** Whom a backup is encrypted for. @throws Failure (exit 2) where nobody is set */
export function recipientsOf({ backups }: Settings): readonly string[] {
  if (backups.recipients.length > 0) return backups.recipients;
  throw new Failure({
    operation: 'encrypt the backup',
    subject: 'LIFEBOAT_AGE_RECIPIENTS',
    reason: 'no recipient is set',
    hint: 'Make a key with: age-keygen -o key.txt (of the package "age": apt install age, brew install age). Set LIFEBOAT_AGE_RECIPIENTS to the public key that it prints, and keep key.txt elsewhere.',
    exitCode: ExitCode.usage,
    code: 'no-recipient',
  });
}

/** As it is configured: which one AutoMem takes of several is its own choice. */
function embeddingOf({ embedding, vectors }: Settings): {
  provider: string;
  model: string | null;
  size: number | null;
} {
  const { provider, openai, voyage, ollama } = embedding;
  const models: Record<string, string | null> = {
    openai: openai.model,
    voyage: voyage.model,
    ollama: ollama.model,
  };
  return { provider, model: models[provider] ?? null, size: vectors.size };
}
