import { ExitCode, Failure } from '../failure.js';
import { demoteGraph } from './promote-graph.js';
import type { Step } from './step.js';

/**
 * Counts the promoted graph again. There is a report of renamed large graphs that load empty in another engine build;
 * should that ever happen, the replaced graph goes back at once.
 */
export const recount: Step = {
  id: 'recount',
  title: 'Count again',
  writes: true,
  async run(context) {
    const { restored } = context.work;
    const survey = await context.graph.totals(context.graphName);
    const same =
      survey.nodes === restored.nodes &&
      survey.memories === restored.memories &&
      survey.relationships === restored.relationships;
    if (same) return `${survey.nodes} nodes and ${survey.relationships} relationships are live`;
    await demoteGraph(context);
    throw new Failure({
      operation: 'count the promoted graph again',
      subject: context.graphName,
      reason: `${restored.nodes} nodes and ${restored.relationships} relationships were validated, ${survey.nodes} and ${survey.relationships} are live`,
      hint: 'The replaced graph was put back. Did something write between? Keep the service from writing and run the command again.',
      exitCode: ExitCode.failed,
      code: 'promoted-differs',
    });
  },
};
