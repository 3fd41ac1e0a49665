import type { Assessment } from '../assess/types.js';
import { formatCount, formatNumberOf } from './format.js';
import type { Tone } from './words.js';

type Drift = NonNullable<Assessment['drift']>;
type DriftClass = keyof Drift['counts'];

const EXAMPLES = 3;

/** Each class in plain words, in the order in which they are told. */
const CLASSES: readonly { name: DriftClass; label: string; tone: Tone }[] = [
  { name: 'same', label: 'in both, alike', tone: 'ok' },
  { name: 'missing-vector', label: 'without a vector', tone: 'bad' },
  { name: 'orphan-vector', label: 'without a memory', tone: 'bad' },
  { name: 'content-changed', label: 'vector of an older text', tone: 'bad' },
  { name: 'stale-payload', label: 'payload differs', tone: 'bad' },
  { name: 'placeholder-vector', label: 'placeholder vector', tone: 'bad' },
  { name: 'wrong-size', label: 'vector of a wrong size', tone: 'bad' },
  { name: 'duplicate-id', label: 'id on several nodes', tone: 'bad' },
  { name: 'pending', label: 'too young to tell', tone: 'info' },
  { name: 'no-content', label: 'without content', tone: 'skip' },
  { name: 'excluded-type', label: 'of an excluded type', tone: 'skip' },
];

/** The table of a comparison: how many ids are of which class, with some of them; nothing where there was none. */
export function driftLines(drift: Drift | null): { tone: Tone; label: string; text: string }[] {
  if (drift === null) return [];
  const { percent, automem, memories, points } = drift;
  const sizes = `${formatNumberOf(memories, 'memory', 'memories')}, ${formatNumberOf(points, 'point', 'points')}`;
  const theirs = `AutoMem's own count difference is ${automem.percent.toFixed(1)} %`;
  return [
    {
      tone: percent === 0 ? 'ok' : 'bad',
      label: 'drift',
      text: `${percent.toFixed(1)} % (${sizes}); ${theirs}`,
    },
    ...CLASSES.filter(({ name }) => drift.counts[name] > 0).map(({ name, label, tone }) => ({
      tone,
      label,
      text: `${formatCount(drift.counts[name])}${isNamed(tone) ? examplesOf(drift, name) : ''}`,
    })),
  ];
}

/** What is as it should be needs no examples. */
function isNamed(tone: Tone): boolean {
  return tone === 'bad' || tone === 'info';
}

function examplesOf({ examples, counts }: Drift, name: DriftClass): string {
  const some = (examples[name] ?? [])
    .slice(0, EXAMPLES)
    .map(({ id, fields = [] }) => (fields.length === 0 ? id : `${id} in ${fields.join(', ')}`));
  if (some.length === 0) return '';
  return `: ${some.join('; ')}${counts[name] > some.length ? '; …' : ''}`;
}
