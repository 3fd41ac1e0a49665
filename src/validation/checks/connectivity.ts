import type { Check } from '../check.js';
import { failed, passed } from '../verdict.js';

/** The first step: both stores answer. */
export const connectivity: Check = {
  step: 1,
  name: 'connectivity',
  async run({ graph, vectors, problems }) {
    const expected = 'both stores answer';
    if (graph === null || vectors === null) {
      const fix = 'start the store; then, or to wait for it: lifeboat validate --fix';
      return failed(expected, problems.join('; '), { fix, mend: 'retry' }, false);
    }
    await graph.command('reach the graph server', 'PING');
    const version = await vectors.version();
    return passed(expected, `FalkorDB answers, Qdrant ${version} answers`, false);
  },
};
