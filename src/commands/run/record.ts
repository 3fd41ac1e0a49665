import type { EventBus } from '../../recovery/event-bus.js';
import type { Summary, TimedEvent } from '../../recovery/events.js';
import { RunDirectory } from '../../recovery/run-directory.js';
import { linesView } from '../../report/lines.js';

/** Events that have a file of their own, or are worth nothing afterwards. */
const NOT_IN_JOURNAL = new Set<TimedEvent['type']>(['quarantine', 'salvage', 'step.progress', 'summary']);

/** What a run leaves in its folder: journal, quarantine, salvages, report and summary. */
export class RunRecord {
  private readonly lines: string[] = [];
  private readonly print = linesView((line) => this.lines.push(line));

  private constructor(private readonly directory: RunDirectory) {}

  /** Opens the folder and listens to the run from its first event on. @throws Failure where it cannot be made */
  static async open(state: string, run: string, bus: EventBus): Promise<RunRecord> {
    const record = new RunRecord(await RunDirectory.create(state, run));
    bus.subscribe((event) => {
      if (event.type !== 'summary') record.print(event);
      if (!NOT_IN_JOURNAL.has(event.type)) record.directory.append('journal.ndjson', event);
    });
    return record;
  }

  append(name: 'quarantine.ndjson' | 'salvage.ndjson', entry: unknown): void {
    this.directory.append(name, entry);
  }

  /** Absolute paths, by name, of all that the folder will hold. */
  files(): Record<string, string> {
    const { path } = this.directory;
    return { ...this.directory.files(), report: `${path}/report.txt`, summary: `${path}/summary.json` };
  }

  /** Writes what is left to write. @throws Failure where anything of the record was lost, however early */
  async close(summary: Summary): Promise<void> {
    await this.directory.close();
    this.print({ ...summary, time: new Date().toISOString() });
    await this.directory.write('report.txt', `${this.lines.join('\n')}\n`);
    await this.directory.write('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
  }
}
