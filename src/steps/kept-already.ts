import { ExitCode, Failure } from '../failure.js';

/** The key for the graph from before is taken: what is kept there is never overwritten. */
export function keptAlready(key: string): Failure {
  return new Failure({
    operation: 'keep the graph as it is',
    subject: key,
    reason: 'there is something under that key already, which may be the only copy of it',
    hint: `Nothing was changed. Look at what it holds; if it is of no use, free it with: GRAPH.DELETE "${key}". Then run the command again.`,
    exitCode: ExitCode.failed,
    code: 'kept-graph-there',
  });
}
