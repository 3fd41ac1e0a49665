import { ID_PROPERTY, MEMORY_LABEL } from '../../memory/contract.js';
import { safeguardCollection } from '../safeguard.js';
import { Failure } from '../../failure.js';
import type { Step, StepContext } from '../step.js';
import { currentRun } from '../current-run.js';
import { createIndexes } from '../vectors/create-indexes.js';
import { tellLossOnce } from '../vectors/losses.js';

/** Says plainly what is gone; the same words stand in the report, and the run does not end as a success. */
export const tellLosses: Step = {
  id: 'tell-losses',
  title: 'Tell what is lost',
  writes: false,
  run({ work, assessment, notice }) {
    const { graph, vectors, backups } = assessment;
    const text = `All memories, relationships and vectors are lost: the graph "${graph.name}" is ${graph.state}, the collection "${vectors.name}" is ${vectors.state}, and ${backups.newest === null && backups.newestVectors === null ? `no backup in ${backups.source} can be used` : 'the backup is not used'}.`;
    tellLossOnce(work, text);
    work.newestUnbacked = assessment.takenAt;
    notice(text);
    return Promise.resolve('told');
  },
};

/** Makes what a service with no memories has: an empty graph with its index, an empty collection with its indexes. */
export const createStores: Step = {
  id: 'create-stores',
  title: 'Make empty stores',
  writes: true,
  async run(context) {
    const { graph, graphName, changes } = context;
    const isThere = (await graph.kindOf(graphName)) === 'graph';
    if (!isThere || changes.made('graph-edit')?.phase === 'intent') {
      const earlier = await currentRun(graph, graphName);
      const edit = { kind: 'graph-edit', graph: graphName, copy: null, earlier } as const;
      await changes.make(edit, async () => {
        await createIdIndex(context);
        return edit;
      });
    }
    // Nothing is what the validation is to find.
    context.work.byRelationship = {};
    const collection = await context.vectors.collection(context.collection);
    const done = collection === null ? await safeguardCollection(context) : 'the empty collection stays';
    const indexes = await createIndexes.run(context);
    return `${isThere ? 'the empty graph stays' : `the graph "${graphName}" was made`}; ${done}; payload indexes: ${indexes}`;
  },
};

/** Makes the graph with it. A run that was killed right after that finds it there. */
async function createIdIndex({ graph, graphName }: StepContext): Promise<void> {
  try {
    await graph.write(graphName, `CREATE INDEX FOR (m:${MEMORY_LABEL}) ON (m.${ID_PROPERTY})`);
  } catch (error) {
    if (!(error instanceof Failure) || !/already indexed/i.test(error.reason)) throw error;
  }
}
