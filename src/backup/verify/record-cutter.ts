import { isAscii } from 'node:buffer';

/** How a record of a list begins, and how a list ends, as AutoMem and Lifeboat lay their files out. */
const RECORD = '\n    {';
const LIST_END = '\n  ]';

/** As the readers of whole files allow; what is longer is no record but the work of damage, or of malice. */
const MAX_RECORD = 64 * 1024 * 1024;

/** What stands around the lists is short. */
const MAX_AROUND = 64 * 1024;

/**
 * Cuts the text of a backup file into its records, also where pieces of it are missing. A line break cannot stand inside of
 * a JSON text, so that what is laid out line by line can be taken up again at any record.
 */
export class RecordCutter {
  private rest = '';
  /** What stood before the first record and behind the last list. */
  private before = '';
  private after = '';
  private isInside = false;

  /** @returns the texts of the records that these bytes completed, without what stands between them */
  feed(bytes: Buffer): string[] {
    // Whatever is not ASCII keeps its bytes, and none of them looks like one that is cut at.
    this.rest += bytes.toString('latin1');
    const records: string[] = [];
    for (let next = this.next(); next !== null; next = this.next()) records.push(next);
    this.trim();
    return records;
  }

  /**
   * The text breaks off here, and goes on behind something that is missing, or not at all.
   *
   * @returns what may be a last record, or the beginning of one
   */
  breakOff(): string | null {
    const { rest, isInside } = this;
    this.keepAround(isInside ? '' : rest);
    this.rest = '';
    this.isInside = false;
    return isInside ? textOf(rest) : null;
  }

  /** A member's value that stood beside the lists, as JSON text; null where it was not seen. */
  member(name: string): string | null {
    // Properties of records stand further in.
    const pattern = new RegExp(`\\n {2,4}"${name}":\\s*("(?:[^"\\\\]|\\\\.)*"|[0-9]+)`);
    return pattern.exec(this.before)?.[1] ?? pattern.exec(this.after)?.[1] ?? null;
  }

  private next(): string | null {
    if (!this.isInside) {
      const at = this.rest.indexOf(RECORD);
      if (at < 0) return null;
      this.keepAround(this.rest.slice(0, at));
      this.rest = this.rest.slice(at + RECORD.length - 1);
      this.isInside = true;
    }
    const following = this.rest.indexOf(RECORD);
    // Not beyond the record that follows: each would be searched for the end of all.
    const record = following < 0 ? this.rest : this.rest.slice(0, following);
    const end = record.indexOf(LIST_END);
    if (following < 0 && end < 0) return null;
    this.isInside = end < 0;
    this.rest = this.rest.slice(end < 0 ? following + RECORD.length - 1 : end);
    return textOf(end < 0 ? record : record.slice(0, end));
  }

  private keepAround(text: string): void {
    if (this.before.length < MAX_AROUND && this.after === '') this.before += text.slice(0, MAX_AROUND);
    this.after = (this.after + text).slice(-MAX_AROUND);
  }

  /** What does not end is let go of. */
  private trim(): void {
    if (this.isInside) {
      if (this.rest.length <= MAX_RECORD) return;
      this.rest = '';
      this.isInside = false;
    } else if (this.rest.length > MAX_AROUND) {
      this.keepAround(this.rest.slice(0, MAX_AROUND));
      this.rest = this.rest.slice(-MAX_AROUND);
    }
  }
}

function textOf(record: string): string {
  const text = record.trimEnd().replace(/,$/, '');
  const bytes = Buffer.from(text, 'latin1');
  return isAscii(bytes) ? text : bytes.toString('utf8');
}
