import type { Check, ValidationContext, Verdict } from '../check.js';
import { failed, passed, skipped, type Remedy } from '../verdict.js';

/** No relationships at all is right for a handful of memories, and suspicious for many. */
const FEW_MEMORIES = 20;

/** One remedy a line. */
function fromBackup({ graphName }: ValidationContext): Remedy {
  return {
    fix: `bring them back from the newest backup: lifeboat validate --fix
without a backup, from what payloads hint at: lifeboat recover rebuild-graph --confirm ${graphName}`,
    mend: 'relationships-from-backup',
  };
}

/** The third step: the relationships that should be there are. */
export const relationshipIntegrity: Check = {
  step: 3,
  name: 'relationship integrity',
  async run(context) {
    const { graph, graphName, expected: written } = context;
    const wanted =
      written === null
        ? 'relationships between the memories'
        : `${sum(written.byRelationship)} relationships, as restored, by type`;
    if (graph === null || (await graph.kindOf(graphName)) !== 'graph')
      return skipped(wanted, 'there is no graph');
    const { relationships, byRelationship, memories } = await graph.survey(graphName);
    if (relationships === 0) return withoutRelationships(context, wanted, memories);
    const nameless = await graph.scalar(graphName, 'MATCH (n) WHERE n.id IS NULL RETURN count(n)');
    const found = `${relationships} relationships of ${Object.keys(byRelationship).length} types`;
    const fewer = written === null ? [] : lacking(written.byRelationship, byRelationship);
    if (fewer.length > 0) return failed(wanted, `${found}; ${fewer.join('; ')}`, fromBackup(context));
    const more = written === null ? 0 : relationships - sum(written.byRelationship);
    const notes = [
      more > 0 ? `; ${more} more than were restored: the service goes on writing` : '',
      nameless > 0 ? `; ${nameless} nodes have no id, so other tools cannot name their relationships` : '',
    ];
    return passed(wanted, `${found}${notes.join('')}`);
  },
};

function withoutRelationships(context: ValidationContext, wanted: string, memories: number): Verdict {
  const { expected } = context;
  const fine = expected === null ? memories <= FEW_MEMORIES : sum(expected.byRelationship) === 0;
  if (fine) return passed(wanted, 'there are none', memories > 0);
  return failed(wanted, `none, among ${memories} memories`, fromBackup(context));
}

function lacking(expected: Record<string, number>, actual: Record<string, number>): string[] {
  return Object.entries(expected)
    .filter(([type, count]) => (actual[type] ?? 0) < count)
    .map(([type, count]) => `${type}: ${count} expected, ${actual[type] ?? 0} found`);
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
