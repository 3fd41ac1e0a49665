/** A file of wild keys must not fill the memory. */
const MAX_PATHS = 10_000;

/**
 * The keys of an object in the order in which they were read, as the path that leads to the last of them. Records of one
 * kind have the same few paths, and so the order in which their members are to stand is worked out once.
 */
export class KeyPath {
  /** The key as JSON with what stands behind it: `"id": `. */
  readonly line: string;
  /** What was read behind this key the last time. */
  guess: KeyPath | null = null;
  private readonly followers = new Map<string, KeyPath>();
  private sorted: readonly number[] | null = null;

  private constructor(
    private readonly parent: KeyPath | null,
    /** The key as it stands in text without white space: `"id":`. */
    readonly literal: string,
    private readonly known: { count: number },
  ) {
    this.line = `${literal} `;
  }

  /** The path of no key. */
  static root(): KeyPath {
    return new KeyPath(null, '', { count: 0 });
  }

  /** The path with one more key. */
  to(literal: string): KeyPath {
    const follower = this.followers.get(literal);
    if (follower !== undefined) return (this.guess = follower);
    // Copied: a piece of a record's text would keep all of it in memory.
    const path = new KeyPath(this, Buffer.from(literal, 'latin1').toString('latin1'), this.known);
    if (this.known.count >= MAX_PATHS) return path;
    this.known.count++;
    this.followers.set(path.literal, path);
    return (this.guess = path);
  }

  /** The places of the keys, those of the smallest first; null where a key comes twice. */
  order(): readonly number[] | null {
    return (this.sorted ??= this.sort());
  }

  private sort(): readonly number[] | null {
    const lines = this.parent === null ? [] : [this.line];
    for (let path = this.parent; path !== null && path.parent !== null; path = path.parent)
      lines.push(path.line);
    lines.reverse();
    if (new Set(lines).size < lines.length) return null;
    return lines.map((_, at) => at).sort((a, b) => ((lines[a] as string) < (lines[b] as string) ? -1 : 1));
  }
}
