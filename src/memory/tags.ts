/** What Python's `str.strip` takes away. JavaScript's `trim` leaves the separators and takes the byte order mark. */
// eslint-disable-next-line no-control-regex -- Python counts these separators as white space
const PYTHON_SPACE_AROUND = /^(?:(?!\ufeff)[\s\x1c-\x1f\x85])+|(?:(?!\ufeff)[\s\x1c-\x1f\x85])+$/g;

/**
 * The prefixes that AutoMem's tag filters look up: each tag lower-cased, split on `:` and `/`, joined again with `:`
 * and accumulated; in order, without repeats.
 *
 * Source: AutoMem `utils/tags.py`.
 */
export function tagPrefixes(tags: readonly string[]): string[] {
  const prefixes = new Set<string>();
  for (const tag of tags) {
    let prefix = '';
    for (const part of tag.replace(PYTHON_SPACE_AROUND, '').toLowerCase().split(/[:/]/)) {
      if (part === '') continue;
      prefix = prefix === '' ? part : `${prefix}:${part}`;
      prefixes.add(prefix);
    }
  }
  return [...prefixes];
}
