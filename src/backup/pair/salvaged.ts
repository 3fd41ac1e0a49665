import { isMap, numeric, type Value } from '../../memory/values.js';
import { grouped } from '../grouped.js';
import type { Manifest } from '../manifest.js';
import type { Half } from './pair-problems.js';

/** What a backup lost before it was written, because it was salvaged from a damaged one. */
export interface Salvaged {
  /** `YYYYMMDD_HHMMSS` of the damaged one. */
  from: string;
  /** By list; null where nobody knows how many there were. A half of which nothing was saved is in `halves`. */
  lost: Record<'nodes' | 'relationships' | 'points', number | null>;
  /** Halves of which nothing was saved. */
  halves: readonly Half[];
}

const LISTS = {
  nodes: ['node', 'nodes'],
  relationships: ['relationship', 'relationships'],
  points: ['point', 'points'],
} as const;
type List = keyof typeof LISTS;

/** The lists of the records of either half. */
const OF_HALF: Record<Half, readonly List[]> = { graph: ['nodes', 'relationships'], vectors: ['points'] };

/** What the manifest of a salvaged backup says of its losses; null of any other one. */
export function salvagedFrom({ body }: Manifest): Salvaged | null {
  const facts = body['salvaged_from'];
  if (!isMap(facts)) return null;
  const { lost, timestamp, halves_lost: halves } = facts;
  const counts: Record<string, Value> = isMap(lost) ? lost : {};
  const gone = Array.isArray(halves) ? halves : [];
  const isGone = (half: Half): boolean => gone.includes(half);
  // Of a half that was never there, nothing was lost.
  const count = (list: List, half: Half): number | null =>
    isGone(half) ? null : counts[list] === undefined ? 0 : numeric(counts[list]);
  return {
    from: typeof timestamp === 'string' ? timestamp : '',
    lost: {
      nodes: count('nodes', 'graph'),
      relationships: count('relationships', 'graph'),
      points: count('points', 'vectors'),
    },
    halves: (['graph', 'vectors'] as const).filter(isGone),
  };
}

/** Whether anything of these halves was lost. Of what nobody counted, that nothing was is not known. */
export function hasLost({ lost }: Salvaged, halves: readonly Half[]): boolean {
  return halves.some((half) => OF_HALF[half].some((list) => lost[list] !== 0));
}

/** "SALVAGED: 2 nodes and 6,507 relationships of 20261121_190904 were lost before it was written". */
export function salvagedSays(salvaged: Salvaged, halves: readonly Half[] = ['graph', 'vectors']): string {
  const { lost, from } = salvaged;
  if (!hasLost(salvaged, halves))
    return `SALVAGED: it was made of what was readable of ${from}; by count, no record is missing`;
  const says = halves.flatMap((half) =>
    salvaged.halves.includes(half)
      ? [`the whole ${half === 'graph' ? 'graph' : 'vector'} half`]
      : told(lost, half),
  );
  const all = says.length > 1 ? `${says.slice(0, -1).join(', ')} and ${says.at(-1) ?? ''}` : says.join('');
  return `SALVAGED: ${all} of ${from} were lost before it was written`;
}

function told(lost: Salvaged['lost'], half: Half): string[] {
  return OF_HALF[half].flatMap((list) => {
    const count = lost[list];
    if (count === 0) return [];
    return [
      count === null
        ? `an unknown number of ${list}`
        : `${grouped(count)} ${LISTS[list][count === 1 ? 0 : 1]}`,
    ];
  });
}
