import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { EventBus } from '../../recovery/event-bus.js';
import type { Summary, TimedEvent } from '../../recovery/events.js';
import { Journal, type RunHeader } from '../../recovery/journal.js';
import { RunDirectory, runFolderFailure } from '../../recovery/run-directory.js';
import type { RunState } from '../../recovery/run-state.js';
import { linesView } from '../../report/lines.js';
import type { Checkpoints } from '../../steps/change.js';
import { AsideFile } from './aside-file.js';

/** Events that have a file of their own, or are worth nothing afterwards. */
const NOT_LOGGED = new Set<TimedEvent['type']>(['quarantine', 'salvage', 'step.progress', 'summary']);

/** Files of records that were put aside, without their ending. */
type AsideName = 'quarantine' | 'salvage';

/** What a run leaves in its folder: journal, events, quarantine, salvages, checkpoints, report and summary. */
export class RunRecord implements Checkpoints {
  private readonly asides: Record<AsideName, AsideFile>;
  private readonly lines: string[] = [];
  private readonly print = linesView((line) => this.lines.push(line));

  private constructor(
    private readonly directory: RunDirectory,
    readonly journal: Journal,
  ) {
    const file = (name: AsideName): AsideFile => new AsideFile(join(directory.path, `${name}.ndjson`));
    this.asides = { quarantine: file('quarantine'), salvage: file('salvage') };
  }

  /** Opens the folder of a new run and listens to it from its first event on. @throws Failure where it cannot be made */
  static async create(state: string, header: RunHeader, bus: EventBus): Promise<RunRecord> {
    const directory = await RunDirectory.create(state, header.run);
    const journal = Journal.open(join(directory.path, 'journal.ndjson'));
    journal.append({ entry: 'run', ...header });
    return new RunRecord(directory, journal).listen(bus);
  }

  /** Opens the folder of a run that goes on: what it put aside so far stays, since what was repaired is not met again. */
  static async reopen(state: string, { header }: RunState, bus: EventBus): Promise<RunRecord> {
    const directory = await RunDirectory.create(state, header.run);
    const journal = Journal.open(join(directory.path, 'journal.ndjson'));
    const record = new RunRecord(directory, journal).listen(bus);
    for (const file of Object.values(record.asides)) await file.takeUp();
    return record;
  }

  private listen(bus: EventBus): this {
    bus.subscribe((event) => {
      if (event.type !== 'summary') this.print(event);
      if (!NOT_LOGGED.has(event.type)) this.directory.append('events.ndjson', event);
    });
    return this;
  }

  /** @returns whether the record is new: the run may have put it aside before it was stopped */
  append(name: AsideName, entry: unknown): boolean {
    return this.asides[name].append(entry);
  }

  /** How many records were put aside, by this process and those before it. */
  count(name: AsideName): number {
    return this.asides[name].count;
  }

  async read(name: string): Promise<Buffer | null> {
    try {
      return await readFile(join(this.directory.path, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw runFolderFailure(join(this.directory.path, name), error);
    }
  }

  /** On the disk under its name, whole, or not at all. */
  async write(name: string, data: Buffer): Promise<void> {
    const path = join(this.directory.path, name);
    try {
      const file = await open(`${path}.new`, 'w', 0o600);
      try {
        await file.writeFile(data);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(`${path}.new`, path);
    } catch (error) {
      throw runFolderFailure(path, error);
    }
  }

  /** Absolute paths, by name, of all that the folder will hold. */
  files(): Record<string, string> {
    const { path } = this.directory;
    const asides = (['quarantine', 'salvage'] as const).filter((name) => this.count(name) > 0);
    return {
      ...this.directory.files(),
      ...Object.fromEntries(asides.map((name) => [name, join(path, `${name}.ndjson`)])),
      journal: join(path, 'journal.ndjson'),
      report: join(path, 'report.txt'),
      summary: join(path, 'summary.json'),
    };
  }

  /** Writes what is left to write. @throws Failure where anything of the record was lost, however early */
  async close(summary: Summary): Promise<void> {
    await this.directory.close();
    for (const file of Object.values(this.asides)) file.close();
    this.print({ ...summary, time: new Date().toISOString() });
    await this.directory.write('report.txt', `${this.lines.join('\n')}\n`);
    await this.directory.write('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
    this.journal.append({ entry: 'end', outcome: summary.outcome, exitCode: summary.exitCode });
    this.journal.close();
  }
}
