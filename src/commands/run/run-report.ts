import type { Finding } from '../../assess/types.js';
import { Failure } from '../../failure.js';
import type { EventBus } from '../../recovery/event-bus.js';
import type { ComparisonResult, Summary } from '../../recovery/events.js';
import type { RunContext } from '../../recovery/run-context.js';
import type { RunState } from '../../recovery/run-state.js';
import type { Settings } from '../../settings/settings.js';
import type { LastingWork, QuarantineEntry, RunWork } from '../../steps/step.js';
import type { JournalledChanges } from './change-log.js';
import { conclude, summarize } from './conclude.js';
import { unlessAborted } from './unless-aborted.js';
import type { RunRecord } from './record.js';
import type { SessionOptions } from './session-options.js';
import { waitingRun } from './waiting-run.js';

/** Where lifeboat.config.yaml sets none. */
const DEFAULT_RTO_SECONDS = 15 * 60;
const DEFAULT_RPO_SECONDS = 24 * 3600;

/** What a run tells of itself: records put aside on the way, and the summary at its end. */
export class RunReport {
  summary: Summary | null = null;
  /** Whether the first step of a plan was begun, by this process or by the one before. */
  hasBegun: boolean;
  private readonly started = performance.now();
  /** Seconds that a run which goes on had lasted when this process began: whoever waits for it waited then too. */
  private readonly secondsBefore: number;
  private salvaged = 0;
  private quarantined = 0;

  constructor(
    private readonly settings: Settings,
    private readonly options: SessionOptions,
    private readonly run: string,
    private readonly work: RunWork,
    private readonly bus: EventBus,
  ) {
    this.hasBegun = options.resume !== null;
    const begun = options.resume === null ? Date.now() : Date.parse(options.resume.startedAt);
    // A clock that was put back meanwhile gives no time back.
    this.secondsBefore = Math.max(0, (Date.now() - begun) / 1000);
  }

  announce(): void {
    this.bus.emit({
      type: 'run.started',
      command: this.options.command,
      run: this.run,
      graph: this.settings.graph.name,
      collection: this.settings.vectors.collection,
      dryRun: this.options.request.dryRun,
      rtoSeconds: this.rtoSeconds,
    });
    // Who looks for what to do, or is about to do it, must hear of what was begun.
    const { command, resume } = this.options;
    const tells = resume === null && (command === 'assess' || command === 'recover');
    const waiting = tells ? waitingRun(this.settings) : null;
    if (waiting !== null) this.warn(waiting);
  }

  /**
   * Takes over what a run that goes on had put aside and told as lost before, also where its steps begin anew: what was
   * repaired by then is not met again.
   */
  takeUp(record: RunRecord, { work, losses }: RunState): void {
    this.salvaged = record.count('salvage');
    this.quarantined = record.count('quarantine');
    const { newestUnbacked = null } = (work ?? {}) as Partial<LastingWork>;
    // The journal's last word: what was told of a step that was done may have been made good since.
    this.work.losses = losses;
    this.work.newestUnbacked ??= newestUnbacked;
  }

  readonly notice = (message: string): void => this.bus.emit({ type: 'notice', message });

  readonly warn = (finding: Finding): void => this.bus.emit({ type: 'finding', finding });

  salvage(record: RunRecord | null, id: string, field: string, rule: string): void {
    if (record?.append('salvage', { id, field, rule }) !== false) this.salvaged++;
    this.bus.emit({ type: 'salvage', id, field, rule });
  }

  quarantine(record: RunRecord | null, entry: QuarantineEntry): void {
    if (record?.append('quarantine', entry) !== false) this.quarantined++;
    this.bus.emit({ type: 'quarantine', kind: entry.kind, id: entry.id, reason: entry.reason });
  }

  /**
   * Ends the run: compares where a drill does, concludes, writes the record and tells the summary.
   *
   * @param tidy is called where everything was recovered
   */
  async report(
    context: RunContext,
    record: RunRecord | null,
    changes: JournalledChanges | null,
    signal: AbortSignal,
    tidy: () => Promise<void>,
  ): Promise<void> {
    const seconds = this.secondsBefore + (performance.now() - this.started) / 1000;
    // Steps that began anew told some of them again.
    this.work.losses = [...new Set(this.work.losses)];
    const comparison = context.executed ? await this.inspect(signal) : undefined;
    if (comparison?.result !== undefined)
      this.bus.emit({ type: 'comparison', comparison: comparison.result });
    const explained = { ...context, failure: context.failure ?? comparison?.error ?? null };
    const facts = {
      command: this.options.command,
      run: this.run,
      seconds,
      rtoSeconds: this.rtoSeconds,
      rpoSeconds: this.settings.objectives.rpoSeconds ?? DEFAULT_RPO_SECONDS,
      salvaged: this.salvaged,
      quarantined: this.quarantined,
      work: this.work,
      changed: changes?.any ?? false,
      kept: changes?.kept ?? [],
      canResume: record !== null && this.hasBegun,
      ...(comparison?.result === undefined ? {} : { comparison: comparison.result }),
    };
    const conclusion = conclude(explained, facts);
    this.tellFailure(conclusion.failure);
    if (conclusion.outcome === 'recovered') await this.tidyUp(tidy);
    let summary = summarize(explained, facts, conclusion, record?.files() ?? {});
    try {
      await record?.close(summary);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      // What was quarantined is nowhere then: that must not end as a success.
      this.tellFailure(error);
      const failed = { ...explained, failure: explained.failure ?? error };
      summary = summarize(explained, facts, conclude(failed, facts), {});
    }
    this.bus.emit(summary);
    this.summary = summary;
  }

  /** What an older run keeps is no reason for this one to fail. */
  private async tidyUp(tidy: () => Promise<void>): Promise<void> {
    try {
      await tidy();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.notice(`What older repairs keep was left as it is: ${error.message}`);
    }
  }

  private get rtoSeconds(): number {
    return this.settings.objectives.rtoSeconds ?? DEFAULT_RTO_SECONDS;
  }

  /** A drill that could not compare has proven nothing: the error counts like any other of the run. */
  private async inspect(signal: AbortSignal): Promise<{ result?: ComparisonResult; error?: unknown }> {
    const { inspect } = this.options;
    if (inspect === undefined) return {};
    try {
      return { result: await unlessAborted(inspect(), signal) };
    } catch (error) {
      return { error };
    }
  }

  private tellFailure(failure: Failure | null): void {
    if (failure === null) return;
    const { code, message, hint, exitCode } = failure;
    this.bus.emit({ type: 'failure', code, message, hint, exitCode });
  }
}
