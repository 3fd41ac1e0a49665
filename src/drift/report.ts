import { fieldsOf } from '../memory/fingerprint.js';
import { classify } from './classify.js';
import { Mark, type Pairs } from './pairs.js';
import { DRIFT_CLASSES, type Difference, type DriftClass, type DriftReport } from './types.js';

const EXAMPLES = 10;
/** Examples of what is the same are spread over the stores; a prime, so that no pattern of the data is followed. */
const SAME_STRIDE = 17;

/** Classes that AutoMem's rule counts as drift, of which there is a percentage. */
const DRIFTED: readonly DriftClass[] = [
  'missing-vector',
  'orphan-vector',
  'stale-payload',
  'content-changed',
];

export type Tally = Pick<
  DriftReport,
  'counts' | 'eligible' | 'percent' | 'automem' | 'staleFields' | 'examples'
>;

/** Gives every id its class, counts them, and tells those that are not the same. */
export function tally(
  pairs: Pairs,
  wrongSize: boolean,
  tell: (difference: Difference) => void = () => undefined,
): Tally {
  const counts = Object.fromEntries(DRIFT_CLASSES.map((name) => [name, 0])) as Record<DriftClass, number>;
  const examples: DriftReport['examples'] = {};
  const staleFields: Record<string, number> = {};
  let eligible = 0;
  let lone = 0;
  let recalledPoints = 0;
  for (let position = 0; position < pairs.ids.size; position++) {
    const marks = pairs.marksAt(position);
    if ((marks & Mark.Gone) !== 0) continue;
    if (isEligible(marks)) eligible++;
    if (isRecalledPoint(marks, pairs.withContents)) recalledPoints++;
    const found = classify(marks, pairs.differingAt(position), wrongSize);
    const isSame = found.class === 'same';
    counts[found.class]++;
    if ((found.pendingAs ?? found.class) === 'orphan-vector') lone++;
    if (isSame && counts.same % SAME_STRIDE !== 1) continue;
    const difference = describe(pairs, position, found);
    for (const field of found.class === 'pending' ? [] : (difference.fields ?? [])) {
      staleFields[field] = (staleFields[field] ?? 0) + 1;
    }
    keepExample((examples[found.class] ??= []), difference);
    if (!isSame) tell(difference);
  }
  const drifted = DRIFTED.reduce((sum, name) => sum + counts[name], 0);
  const percent = percentOf(drifted, eligible + lone);
  return { counts, eligible, percent, automem: automemDrift(pairs, recalledPoints), staleFields, examples };
}

/** AutoMem's rule, which compares totals and divides by the points. */
function automemDrift({ recalledMemories: memories }: Pairs, points: number): DriftReport['automem'] {
  return { memories, points, percent: percentOf(Math.abs(memories - points), Math.max(points, 1)) };
}

function percentOf(part: number, whole: number): number {
  return whole === 0 ? 0 : (part * 100) / whole;
}

/** AutoMem goes by the type in the payload; where payloads were not read, the graph's stands for it. */
function isRecalledPoint(marks: number, withContents: boolean): boolean {
  const excluded = withContents ? Mark.ExcludedPoint : Mark.ExcludedPoint | Mark.ExcludedNode;
  return (marks & Mark.Point) !== 0 && (marks & excluded) === 0;
}

function isEligible(marks: number): boolean {
  return (marks & Mark.Node) !== 0 && (marks & (Mark.ExcludedNode | Mark.BlankNode)) === 0;
}

function keepExample(
  examples: NonNullable<DriftReport['examples'][DriftClass]>,
  difference: Difference,
): void {
  if (examples.length >= EXAMPLES) return;
  const { id, fields } = difference;
  examples.push({ id, ...(fields === undefined ? {} : { fields: [...fields] }) });
}

function describe(
  pairs: Pairs,
  position: number,
  found: { class: DriftClass; pendingAs?: DriftClass },
): Difference {
  const marks = pairs.marksAt(position);
  const bits = pairs.differingAt(position);
  const internalId = pairs.internalIdAt(position);
  return {
    id: pairs.ids.keyAt(position),
    ...found,
    // Of an id that stands on several nodes, and of a type without vectors, nobody asks which fields differ.
    ...(bits === 0 || found.class === 'duplicate-id' || found.class === 'excluded-type'
      ? {}
      : { fields: fieldsOf(bits) }),
    ...(internalId < 0 ? {} : { internalId }),
    ...((marks & Mark.Vectorless) === 0 ? {} : { vectorless: true as const }),
    ...((marks & Mark.Node) !== 0 || (marks & Mark.BlankPoint) === 0 ? {} : { contentless: true as const }),
  };
}
