/**
 * Internal ids of one graph → internal ids of another. Internal ids are small and dense, so an array serves; ids beyond
 * any sensible density go to a map.
 */
export class IdMap {
  private dense = new Int32Array(1024).fill(-1);
  private readonly sparse = new Map<number, number>();

  set(from: number, to: number): void {
    if (from >= DENSE_LIMIT) {
      this.sparse.set(from, to);
      return;
    }
    if (from >= this.dense.length) this.grow(from);
    this.dense[from] = to;
  }

  /** @returns -1 where the id is not known. */
  get(from: number): number {
    return from < DENSE_LIMIT ? (this.dense[from] ?? -1) : (this.sparse.get(from) ?? -1);
  }

  private grow(needed: number): void {
    const larger = new Int32Array(Math.max(needed + 1, this.dense.length * 2)).fill(-1);
    larger.set(this.dense);
    this.dense = larger;
  }
}

const DENSE_LIMIT = 16 * 1024 * 1024;
