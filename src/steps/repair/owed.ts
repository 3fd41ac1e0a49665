import { Failure } from '../../failure.js';
import type { StepContext } from '../step.js';

/** For a server that does not allow its user keys of this kind: then only `runs resume` knows. */
const CHECKPOINT = 'repair-graph.json';

/**
 * Memories that a repair brings back stand here until they have their relationships, too. It is kept beside the graph, so
 * that after a crash also another run, such as cron's next one, brings what this one could not any more.
 */
export function owedKey(graph: string): string {
  return `{${graph}}:lifeboat-owed`;
}

/** Joined ids of memories that came back, or were about to, and may still lack relationships. */
export async function readOwed({ graph, graphName, checkpoints }: StepContext): Promise<string[]> {
  const inStore = await unlessForbidden(() =>
    graph.command('look for an unfinished repair', 'GET', owedKey(graphName)),
  );
  const text = typeof inStore === 'string' ? inStore : await checkpoints.read(CHECKPOINT);
  return text === null ? [] : (JSON.parse(text.toString()) as string[]);
}

/** @param ids none where every memory has what it is due */
export async function writeOwed(
  { graph, graphName, checkpoints }: StepContext,
  ids: readonly string[],
): Promise<void> {
  const text = JSON.stringify(ids);
  await checkpoints.write(CHECKPOINT, Buffer.from(text));
  const key = owedKey(graphName);
  const note = (name: string, ...args: string[]): Promise<unknown> =>
    graph.command('note which memories come back', name, key, ...args);
  await unlessForbidden(() => (ids.length === 0 ? note('DEL') : note('SET', text)));
}

async function unlessForbidden<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Failure && error.code === 'forbidden') return null;
    throw error;
  }
}
