import type { SandboxFiles, SandboxState } from './sandbox-state.js';
import { loopback } from './server-process.js';

/** The addresses and secrets of a sandbox. */
export interface SandboxInfo {
  falkordb: { host: string; port: number; pid: number; password?: string };
  qdrant: { url: string; port: number; pid: number; apiKey?: string };
  /** Absolute path. */
  dataDir: string;
  /** The variables in which AutoMem and Lifeboat take these addresses. */
  variables: Record<string, string>;
}

/** What is told of a sandbox whose engines are both written down. */
export function infoOf(files: SandboxFiles, state: SandboxState): SandboxInfo {
  const { falkordb, qdrant } = state;
  if (falkordb === undefined || qdrant === undefined)
    throw new Error('An engine is up that is not written down');
  const { password } = falkordb;
  const { apiKey } = qdrant;
  return {
    falkordb: {
      host: loopback,
      port: falkordb.port,
      pid: falkordb.pid,
      ...(password === undefined ? {} : { password }),
    },
    qdrant: {
      url: `http://${loopback}:${qdrant.port}`,
      port: qdrant.port,
      pid: qdrant.pid,
      ...(apiKey === undefined ? {} : { apiKey }),
    },
    dataDir: files.folder,
    variables: variablesOf(state),
  };
}

/** The variables in which AutoMem takes the addresses and secrets of the engines that are given. */
export function variablesOf({
  falkordb,
  qdrant,
}: Pick<SandboxState, 'falkordb' | 'qdrant'>): Record<string, string> {
  const variables: Record<string, string | undefined> = {
    FALKORDB_HOST: falkordb && loopback,
    FALKORDB_PORT: falkordb && String(falkordb.port),
    FALKORDB_PASSWORD: falkordb?.password,
    QDRANT_URL: qdrant && `http://${loopback}:${qdrant.port}`,
    QDRANT_API_KEY: qdrant?.apiKey,
  };
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
