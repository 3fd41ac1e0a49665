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
    for (const part of tag.trim().toLowerCase().split(/[:/]/)) {
      if (part === '') continue;
      prefix = prefix === '' ? part : `${prefix}:${part}`;
      prefixes.add(prefix);
    }
  }
  return [...prefixes];
}
