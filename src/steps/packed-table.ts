/** The rows that a table begins with. */
const FIRST_ROWS = 1024;

/**
 * Records of numbers by a small dense id, in packed arrays: 8 bytes a number, where objects would take ten times that.
 * The first column of a record is never 0: that stands for no record.
 */
export class PackedTable<C extends string> {
  private columns: Record<C, Float64Array>;
  private rows = FIRST_ROWS;
  /** One beyond the greatest id that was ever set. */
  end = 0;
  /** Records that are there. */
  count = 0;

  constructor(private readonly names: readonly [C, ...C[]]) {
    this.columns = this.make(this.rows);
  }

  get(id: number): Record<C, number> | null {
    if (!this.has(id)) return null;
    return Object.fromEntries(this.names.map((name) => [name, this.columns[name][id]])) as Record<C, number>;
  }

  /** One number of a record that is there; undefined where it is not. */
  value(id: number, name: C): number | undefined {
    return this.has(id) ? this.columns[name][id] : undefined;
  }

  has(id: number): boolean {
    return id < this.end && this.columns[this.names[0]][id] !== 0;
  }

  set(id: number, record: Record<C, number>): void {
    if (id >= this.rows) this.grow(id + 1);
    if (!this.has(id)) this.count++;
    for (const name of this.names) this.columns[name][id] = record[name];
    this.end = Math.max(this.end, id + 1);
  }

  delete(id: number): void {
    if (!this.has(id)) return;
    this.columns[this.names[0]][id] = 0;
    this.count--;
  }

  /** Ids of the records that are there, in order. */
  *ids(): Generator<number> {
    const first = this.columns[this.names[0]];
    for (let id = 0; id < this.end; id++) if (first[id] !== 0) yield id;
  }

  /** Column after column, of {@link end} numbers each. */
  toBuffers(): Buffer[] {
    return this.names.map((name) => Buffer.from(this.columns[name].slice(0, this.end).buffer));
  }

  /** @returns the bytes that were taken */
  fill(data: Buffer, end: number): number {
    this.rows = Math.max(FIRST_ROWS, end);
    this.columns = this.make(this.rows);
    this.end = end;
    let at = 0;
    for (const name of this.names) {
      for (let id = 0; id < end; id++, at += 8) this.columns[name][id] = data.readDoubleLE(at);
    }
    this.count = this.columns[this.names[0]]
      .subarray(0, end)
      .reduce((count, first) => count + Number(first !== 0), 0);
    return at;
  }

  private make(rows: number): Record<C, Float64Array> {
    return Object.fromEntries(this.names.map((name) => [name, new Float64Array(rows)])) as Record<
      C,
      Float64Array
    >;
  }

  private grow(needed: number): void {
    this.rows = Math.max(needed, this.rows * 2);
    const larger = this.make(this.rows);
    for (const name of this.names) larger[name].set(this.columns[name]);
    this.columns = larger;
  }
}
