/**
 * AutoMem's `tag_prefixes`: lower-case tags, split on `:` or `/`, joined again with `:`, every beginning once, in
 * order. ["Project/Atlas", "project:hermes"] → ["project", "project:atlas", "project:hermes"].
 * Source: automem/utils/tags.py.
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

/** The slug in `entity:<category>:<slug>` tags: "Postgres 17" → "postgres-17". */
export function slug(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}
