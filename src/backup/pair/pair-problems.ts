/** fatal: must not be restored. loss: these records, or parts of them, cannot be. note: restorable, and worth knowing. */
export type Severity = 'fatal' | 'loss' | 'note';

export type Half = 'graph' | 'vectors';

/** Something that is wrong with a backup pair. */
export interface PairProblem {
  severity: Severity;
  /** A stable word for scripts. */
  code: string;
  /** Null where it is the two halves that do not fit together. */
  half: Half | null;
  message: string;
  /** Records that are concerned; 0 where it is the file. */
  count: number;
  /** The first {@link MAX_RECORDS} of them: an id or the number of the record, and why. */
  records: { record: string; reason: string }[];
}

/** A file in which everything is wrong must not fill the memory. */
const MAX_RECORDS = 1000;

/** Gathers the problems of one half or of a pair, those of one kind together. */
export class ProblemList {
  private readonly byCode = new Map<string, PairProblem>();

  /** @param known what was found before */
  constructor(
    private readonly half: Half | null,
    known: readonly PairProblem[] = [],
  ) {
    for (const problem of known) this.byCode.set(problem.code, problem);
  }

  /** A problem of the whole file. */
  fatal(code: string, message: string): void {
    this.whole('fatal', code, message);
  }

  /** Something that is to be said of the whole file or pair, once. */
  whole(severity: Severity, code: string, message: string): void {
    if (this.byCode.has(code)) return;
    const { half } = this;
    this.byCode.set(code, { severity, code, half, message, count: 0, records: [] });
  }

  /** A problem of one record. @param what the kind, in the plural: "points that cannot be restored" */
  record(severity: Severity, code: string, what: string, record: string, reason: string): void {
    let problem = this.byCode.get(code);
    if (problem === undefined) {
      problem = { severity, code, half: this.half, message: '', count: 0, records: [] };
      this.byCode.set(code, problem);
    }
    problem.count++;
    problem.message = `${what}: ${problem.count}`;
    if (problem.records.length < MAX_RECORDS) problem.records.push({ record, reason });
  }

  countOf(code: string): number {
    return this.byCode.get(code)?.count ?? 0;
  }

  all(): PairProblem[] {
    return [...this.byCode.values()];
  }
}
