import { Failure } from '../../failure.js';
import type { CheckResult, Emit } from '../../recovery/events.js';
import type { Settings } from '../../settings/settings.js';
import type { GraphStore } from '../../stores/graph/graph-store.js';
import type { VectorStore } from '../../stores/vectors/vector-store.js';
import type { ValidationContext } from '../../validation/check.js';
import { validate } from '../../validation/validate.js';
import type { Connections } from './world.js';

/** Opens both stores, each on its own: one that is away fails its checks and leaves the other's to run. */
export async function runValidation(
  settings: Settings,
  connections: Connections,
  options: Pick<ValidationContext, 'expected' | 'depth' | 'signal'>,
  emit: Emit,
): Promise<CheckResult[]> {
  const problems: string[] = [];
  const reach = async <T>(open: () => Promise<T>): Promise<T | null> => {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      problems.push(error.message);
      return null;
    }
  };
  const [graph, vectors] = await Promise.all([
    reach<GraphStore>(connections.openGraph),
    reach<VectorStore>(async () => {
      const store = connections.vectors();
      await store.version();
      // The version is open to all; a count needs the key.
      await store.collection(settings.vectors.collection);
      return store;
    }),
  ]);
  const context: ValidationContext = {
    graph,
    vectors,
    problems,
    graphName: settings.graph.name,
    collection: settings.vectors.collection,
    excludedTypes: new Set(settings.excludedTypes),
    payloadIndexes: settings.vectors.payloadIndexes,
    census: null,
    ...options,
  };
  return validate(context, (check) => emit({ type: 'check', check }));
}
