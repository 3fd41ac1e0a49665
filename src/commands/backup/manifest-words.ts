import { Double, isMap, numeric, type Value, type ValueMap } from '../../memory/values.js';
import { plainNumbers } from '../../recovery/run-directory.js';
import { formatBytes, formatCount, formatDuration, formatNumberOf } from '../../report/format.js';
import { printable, textWidth, truncateText } from '../../report/text.js';

/** A title, empty where the text goes on, and a text beside it. */
export type Row = [title: string, text: string];

/** What fits beside a title into one line of a terminal of 80 columns. */
const ONE_LINE = 67;

/** Columns of a name among others. */
const LONGEST_NAME = 40;

/** Warnings that are shown of many. */
const WARNINGS = 3;

/** What a manifest says, in short. @param manifest null where there is none that can be trusted */
export function manifestRows(manifest: ValueMap | null): Row[] {
  if (manifest === null) return [['Manifest', 'none that can be trusted']];
  const graph = mapOf(manifest['graph']);
  const warnings = Array.isArray(manifest['warnings']) ? manifest['warnings'] : [];
  const more = warnings.length > WARNINGS ? [`and ${formatCount(warnings.length - WARNINGS)} more`] : [];
  return [
    ...countRow('Labels', graph['by_label']),
    ...countRow('Types', graph['by_type']),
    ...countRow('Relations', graph['by_relationship']),
    ...countRow('Tables', manifest['tables']),
    ...collectionRow(manifest),
    ['Written', writtenSays(manifest)],
    ...[...warnings.slice(0, WARNINGS).map((text) => `! ${said(text)}`), ...more].map((text, index): Row => [
      index === 0 ? 'Warnings' : '',
      text,
    ]),
  ];
}

/** As many of some texts as fit into so many columns, at least one, and how many more there are. */
export function firstThatFit(texts: readonly string[], columns: number, between: string): string {
  const all = texts.join(between);
  if (textWidth(all) <= columns) return all;
  const more = (shown: number): string => `${between}and ${formatCount(texts.length - shown)} more`;
  let shown = 1;
  while (textWidth(texts.slice(0, shown + 1).join(between) + more(shown + 1)) <= columns) shown++;
  return texts.slice(0, shown).join(between) + (shown < texts.length ? more(shown) : '');
}

/** Counts by name, the largest first. */
function countRow(title: string, counts: Value | undefined): Row[] {
  const entries = Object.entries(mapOf(counts)).flatMap(([name, value]): [string, number][] => {
    const count = numeric(value);
    return count === null ? [] : [[name, count]];
  });
  if (entries.length === 0) return [];
  entries.sort(([, a], [, b]) => b - a);
  const texts = entries.map(
    ([name, count]) => `${name === '' ? 'none' : truncateText(name, LONGEST_NAME)} ${formatCount(count)}`,
  );
  return [[title, firstThatFit(texts, ONE_LINE, ', ')]];
}

/** What matters when the collection is made anew. */
function collectionRow(manifest: ValueMap): Row[] {
  const collection = mapOf(manifest['collection']);
  const config = mapOf(collection['config']);
  if (Object.keys(config).length === 0) return [];
  const params = mapOf(config['params']);
  const vectors = mapOf(params['vectors']);
  const size = numeric(vectors['size'] ?? null);
  const named = Object.keys(vectors).length;
  const quantization = Object.keys(mapOf(config['quantization_config']))[0];
  const indexed = Object.keys(mapOf(collection['payload_schema'])).length;
  const texts = [
    size === null
      ? formatNumberOf(named, 'named vector', 'named vectors')
      : `${formatNumberOf(size, 'dimension', 'dimensions')}, ${said(vectors['distance'])}`,
    ...(vectors['on_disk'] === true ? ['vectors on disk'] : []),
    ...(params['on_disk_payload'] === true ? ['payloads on disk'] : []),
    ...(quantization === undefined ? [] : [`${quantization} quantization`]),
    formatNumberOf(indexed, 'payload index', 'payload indexes'),
  ];
  return [['Collection', firstThatFit(texts, ONE_LINE, ', ')]];
}

function writtenSays(manifest: ValueMap): string {
  const seconds = numeric(manifest['seconds'] ?? null);
  const took = seconds === null ? '' : ` in ${formatDuration(seconds)}`;
  return `by ${said(manifest['tool'], 'an unknown program')}${took}; ${writesSay(manifest['writes_meanwhile'])}`;
}

function writesSay(writes: Value | undefined): string {
  const facts = isMap(writes) ? [writes['graph'], writes['vectors']] : [writes];
  if (facts.includes(true)) return 'others wrote meanwhile';
  return facts.includes(false)
    ? 'nothing was written meanwhile'
    : 'whether anything was written meanwhile is not known';
}

function mapOf(value: Value | undefined): ValueMap {
  return isMap(value) ? value : {};
}

function said(value: Value | undefined, otherwise = 'unknown'): string {
  return typeof value === 'string' ? value : otherwise;
}

/** Lists of so many items are told by their number: nobody reads two thousand blocks. */
const FEW = 20;

/** Everything that a manifest says, a line for each member, what lies inside indented. */
export function manifestLines(map: ValueMap, depth = 1): string[] {
  const indent = '  '.repeat(depth);
  return Object.entries(map).flatMap(([name, value]) => {
    const title = `${indent}${printable(name)}`;
    if (isMap(value)) {
      const lines = manifestLines(value, depth + 1);
      return lines.length === 0 ? [`${title}: none`] : [title, ...lines];
    }
    if (!Array.isArray(value)) return [`${title}: ${scalar(name, value)}`];
    if (value.length === 0) return [`${title}: none`];
    if (value.length > FEW || name === 'blocks') return [`${title}: ${formatCount(value.length)}`];
    if (value.some((item) => isMap(item) || Array.isArray(item)))
      return [title, ...value.map((item) => `${indent}  ${printable(JSON.stringify(item, plainNumbers))}`)];
    return [`${title}: ${value.map((item) => scalar('', item)).join(', ')}`];
  });
}

function scalar(name: string, value: Value): string {
  if (value === null) return '-';
  const number = numeric(value);
  if (number !== null && name.endsWith('bytes')) return formatBytes(number);
  if (number !== null && Number.isInteger(number) && !(value instanceof Double)) return formatCount(number);
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
}
