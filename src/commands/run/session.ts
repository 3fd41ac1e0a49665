import { setTimeout as sleep } from 'node:timers/promises';
import { createActor, fromPromise, waitFor } from 'xstate';
import { Failure, Interrupted } from '../../failure.js';
import { rankPlans } from '../../plans/choose.js';
import { loadPlans } from '../../plans/load.js';
import type { PlanOption } from '../../plans/types.js';
import { EventBus } from '../../recovery/event-bus.js';
import type { RunControls, Summary } from '../../recovery/events.js';
import {
  isResumePoint,
  recoveryMachine,
  resumePoint,
  type RecoveryActor,
  type ResumePoint,
  type RunContext,
} from '../../recovery/machine.js';
import { isResumable, readRun, type RunState } from '../../recovery/run-state.js';
import type { Assessment } from '../../assess/types.js';
import { newRunId } from '../../recovery/run-directory.js';
import type { Settings } from '../../settings/settings.js';
import { STEPS } from '../../steps/registry.js';
import { emptyWork, type RunStepsContext, type RunWork } from '../../steps/step.js';
import { asAsked } from './as-asked.js';
import { assessWith, type Assessed } from './assess-actor.js';
import { announcements } from './announcements.js';
import { refuseChangedStores } from './changed-since.js';
import { JournalledChanges } from './change-log.js';
import { executePlan, firstStepToRun, unlessAborted } from './execute-actor.js';
import { mendChecks } from './fix-actor.js';
import { takeLease, type TakenLease } from './lease-places.js';
import { noPlanFailure, notConfirmedFailure } from './no-plan.js';
import { notResumableFailure } from './not-resumable.js';
import { PhaseClock } from './phases.js';
import { openPlaces, type BackupPlaces } from './places.js';
import { RunRecord } from './record.js';
import { RunReport } from './run-report.js';
import { safeguard } from './safeguard.js';
import { headerOf, resumedEntry, type SessionOptions } from './session-options.js';
import { stepContext } from './step-context.js';
import { runValidation } from './validate-actor.js';
import { Connections } from './world.js';

const SNAPSHOT = 'machine.json';

/** Milliseconds. */
const RELEASE_ON_ABORT_MS = 1_000;

/** One run from its request to its summary: gives the machine its actors and tells everything that happens. */
export class RunSession {
  readonly bus = new EventBus();
  readonly run: string;
  private readonly work: RunWork = emptyWork();
  private readonly abort = new AbortController();
  /** Aborts when the operator asks to stop for the first time: what only waits ends at once. */
  private readonly stop = new AbortController();
  private readonly connections: Connections;
  private readonly phases = new PhaseClock(this.bus.emit);
  private readonly reporting: RunReport;
  private record: RunRecord | null = null;
  private changes: JournalledChanges | null = null;
  private lease: TakenLease | null = null;
  /** The run that goes on, as its journal told it once the lease was held. */
  private resumed: RunState | null = null;
  private found: Assessed | null = null;
  /** What a run that goes on was planned on. */
  private original: Assessment | null = null;
  private places: BackupPlaces | null = null;
  private actor: RecoveryActor | null = null;
  private context: RunStepsContext | null = null;
  private interruptions = 0;
  /** True from the first step of a plan on. */
  private executing = false;

  constructor(
    private readonly settings: Settings,
    private readonly options: SessionOptions,
  ) {
    this.run = options.resume?.header.run ?? newRunId(new Date());
    this.connections = new Connections(settings, () => this.found?.server?.queryTimeoutMs ?? 0);
    this.reporting = new RunReport(settings, options, this.run, this.work, this.bus);
  }

  readonly controls: RunControls = {
    choose: (plan) => this.actor?.send({ type: 'CHOOSE', plan }),
    confirm: (typed) => this.actor?.send({ type: 'CONFIRM', typed }),
    fix: () => this.actor?.send({ type: 'FIX' }),
    back: () => this.actor?.send({ type: 'BACK' }),
    cancel: () => this.actor?.send({ type: 'CANCEL' }),
    interrupt: () => {
      this.interruptions++;
      this.stop.abort(new Interrupted());
      this.actor?.send({ type: 'INTERRUPT' });
      // Only what changes something is first brought to a good end.
      if (this.interruptions === 1 && this.executing) return;
      this.stopNow(new Interrupted());
    },
  };

  /** A server that is silent keeps nobody waiting, and no step that was left behind writes anything more. */
  private stopNow(reason: Error): void {
    this.abort.abort(reason);
    this.connections.close();
  }

  /**
   * Runs to the end. Expected failures are in the summary; anything thrown is a bug.
   */
  async execute(): Promise<Summary> {
    try {
      this.reporting.announce();
      this.actor = createActor(this.machine(), { input: { ...this.options.request, resume: null } });
      let kept: Promise<void> = Promise.resolve();
      this.actor.subscribe(({ value }) => {
        if (typeof value === 'string' && isResumePoint(value)) kept = kept.then(() => this.keepSnapshot());
      });
      this.actor.start();
      const { context } = await waitFor(this.actor, (snapshot) => snapshot.status === 'done', {
        timeout: Infinity,
      });
      await kept;
      // Only a bug keeps a run from its summary.
      if (this.reporting.summary === null) throw explain(context);
      return this.reporting.summary;
    } finally {
      this.connections.close();
      await this.places?.close();
      await this.releaseLease();
    }
  }

  /** Whoever aborts does not wait for a silent server: the lease runs out by itself. */
  private async releaseLease(): Promise<void> {
    const release = this.lease?.release() ?? Promise.resolve();
    if (this.abort.signal.aborted) await Promise.race([release, sleep(RELEASE_ON_ABORT_MS)]);
    else await release;
  }

  private async keepSnapshot(): Promise<void> {
    if (this.record === null || this.actor === null) return;
    const snapshot = Buffer.from(JSON.stringify(this.actor.getPersistedSnapshot()));
    // A disk that is full stops the run at the next entry of its journal, before the next change.
    await this.record.write(SNAPSHOT, snapshot).catch(() => undefined);
  }

  /**
   * Takes up a run whose lease is held: only now is its journal the last word on it.
   *
   * @returns where the run goes on; null where it was stopped before anything could be changed
   * @throws Failure (exit 2) where it came to its end meanwhile
   */
  private async reopenRecord(run: string): Promise<ResumePoint | null> {
    const { state } = this.settings.folders;
    const resume = readRun(state, run);
    if (!isResumable(resume)) throw notResumableFailure(resume);
    this.resumed = resume;
    const next = firstStepToRun(resume);
    this.record = await RunRecord.reopen(state, resume, this.bus);
    if (next > 0) Object.assign(this.work, resume.work, swapOf(resume));
    this.reporting.takeUp(this.record, resume);
    this.record.journal.append(resumedEntry());
    const snapshot = await this.record.read(SNAPSHOT);
    this.bus.emit({
      type: 'resumed',
      run: this.run,
      after: next === 0 ? null : (resume.done.at(-1) ?? null),
    });
    const point = snapshot === null ? null : pointOf(snapshot);
    this.original = point?.context.assessment ?? null;
    return point;
  }

  private machine(): typeof recoveryMachine {
    const { emit } = this.bus;
    return recoveryMachine.provide({
      actors: {
        lease: fromPromise(() => this.takeLease()),
        assess: fromPromise(() => unlessAborted(this.assess(), this.abort.signal)),
        plan: fromPromise(() => this.plan()),
        safeguard: fromPromise(async ({ input }) => {
          await this.moveLease(input.plan);
          const proven = safeguard(input.plan, this.stepContext(), this.assessed().server);
          await unlessAborted(proven, this.abort.signal);
        }),
        execute: fromPromise(async ({ input }) => {
          this.executing = true;
          this.reporting.hasBegun = true;
          this.phases.enter('execute');
          return executePlan(input.plan, this.stepContext(), {
            emit,
            journal: this.record?.journal ?? null,
            resume: this.resumed,
            stopAfterStep: () => this.interruptions > 0,
          });
        }),
        validate: fromPromise(({ input }) => unlessAborted(this.validate(input), this.abort.signal)),
        fix: fromPromise(async ({ input }) => {
          this.executing = true;
          const isFirst = !this.reporting.hasBegun && this.resumed === null;
          this.reporting.hasBegun = true;
          await mendChecks(input.checks, this.stepContext(), {
            emit,
            journal: this.record?.journal ?? null,
            stopAfterStep: () => this.interruptions > 0,
            isFirst,
          });
        }),
        report: fromPromise(async ({ input }) => {
          this.phases.enter('report');
          const failure = explain(input.context);
          // Whoever took the lease over may be at work in the same folder.
          const record = this.lease?.lost.aborted === true ? null : this.record;
          await this.reporting.report({ ...input.context, failure }, record, this.changes, this.abort.signal);
          this.phases.leave();
        }),
      },
      actions: announcements(emit, (context) =>
        this.interruptions > 1 ? 'aborting now' : this.stopMessage(context),
      ),
    });
  }

  /** A new run has a folder before it asks for anything; of an earlier one nothing is touched before the lease is held. */
  private async takeLease(): Promise<ResumePoint | null> {
    const { resume, keepsRecord, takesLease } = this.options;
    if (resume === null && keepsRecord) {
      const header = headerOf(this.run, this.settings, this.options);
      this.record = await RunRecord.create(this.settings.folders.state, header, this.bus);
    }
    if (takesLease) await this.leaseFrom({ awayFromGraph: false });
    const point = resume === null ? null : await this.reopenRecord(resume.header.run);
    this.changes = new JournalledChanges(this.record?.journal ?? null, () => this.lease, this.resumed);
    return point;
  }

  private async leaseFrom({ awayFromGraph }: { awayFromGraph: boolean }): Promise<void> {
    const lease = await takeLease(this.settings, {
      run: this.run,
      command: this.options.command,
      takeOver: this.options.takeOver,
      awayFromGraph,
      notice: (message) => this.bus.emit({ type: 'notice', message }),
    });
    lease.lost.addEventListener('abort', () => {
      if (this.lease === lease) this.stopNow(lease.lost.reason as Error);
    });
    const before = this.lease;
    this.lease = lease;
    await before?.release();
  }

  /** A lease beside the graph would be gone with the volume that is put back. */
  private async moveLease({ steps }: PlanOption): Promise<void> {
    if (this.lease?.besideGraph !== true || !steps.some(({ id }) => id === 'await-graph')) return;
    await this.leaseFrom({ awayFromGraph: true });
  }

  private async assess(): Promise<Assessed['assessment']> {
    this.phases.enter('assess');
    // A run that goes on keeps to the backup that it began with.
    const begun = this.resumed?.plan ?? null;
    const choice = begun === null ? this.options.backup : (begun.backup ?? 'none');
    this.places ??= await openPlaces(this.settings, this.options.backupFile, this.abort.signal);
    this.found = await assessWith(
      this.settings,
      this.places,
      choice,
      this.options.backupDepth,
      begun === null ? this.options.deep : 'never',
    );
    const { assessment } = this.found;
    for (const finding of assessment.findings) this.bus.emit({ type: 'finding', finding });
    this.bus.emit({ type: 'assessment', assessment });
    if (this.resumed !== null) refuseChangedStores(this.resumed, this.original, assessment);
    return assessment;
  }

  private async plan(): Promise<ReturnType<typeof rankPlans>> {
    this.phases.enter('plan');
    const found = this.assessed();
    const plans = await loadPlans(this.options.planFolders, new Set(STEPS.keys()));
    const { graph, vectors } = found.assessment;
    const rates = { points: vectors.readRate, nodes: graph.readRate, backupBytes: found.backupReadRate };
    const titles = new Map([...STEPS.values()].map(({ id, title }) => [id, title]));
    const ranked = asAsked(rankPlans(plans, found.assessment, rates, titles), this.options);
    this.bus.emit({ type: 'plans', ...ranked });
    return ranked;
  }

  private async validate({
    executed,
    rounds,
  }: {
    executed: boolean;
    rounds: number;
  }): ReturnType<typeof runValidation> {
    this.phases.enter('validate');
    const { restored, byRelationship, quarantinedPoints } = this.work;
    const expected =
      executed && byRelationship !== null
        ? { ...restored, byRelationship, quarantined: new Set(quarantinedPoints) }
        : null;
    // What was mended in place, or carried over from the live graph, was compared by no candidate.
    const isProven = expected !== null && rounds === 0 && !carriedOver(this.work);
    return runValidation(
      this.settings,
      this.connections,
      { expected, depth: isProven ? 'ids' : 'content', signal: this.abort.signal },
      this.bus.emit,
    );
  }

  private stopMessage({ executed }: RunContext): string {
    if (!this.executing) return 'stopping';
    return executed
      ? 'finishing what is left to check; again to abort now'
      : 'stopping after this step; again to abort now';
  }

  private assessed(): Assessed {
    if (this.found === null) throw new Error('nothing was assessed yet');
    return this.found;
  }

  private stepContext(): RunStepsContext {
    this.context ??= stepContext({
      settings: this.settings,
      found: this.assessed(),
      assessment: this.original,
      run: this.run,
      options: this.options,
      connections: this.connections,
      changes: this.changes as JournalledChanges,
      record: this.record,
      reporting: this.reporting,
      signal: this.abort.signal,
      stopSignal: this.stop.signal,
      work: this.work,
    });
    return this.context;
  }
}

/** Whether the new graph holds nodes that the live one had. Of a run that goes on only the swap tells. */
function carriedOver({ sources, replaced }: RunWork): boolean {
  if (sources.length === 0) return replaced;
  return sources.some(({ kind, totals }) => kind === 'live' && totals.nodes !== 0);
}

/** What a run knows of a swap that it made, also where its step had no time to say so. */
function swapOf({ changes }: RunState): Partial<RunWork> {
  const swap = changes.find(({ change, phase }) => change.kind === 'graph-swap' && phase === 'done')?.change;
  return swap?.kind === 'graph-swap' ? { promoted: true, replaced: swap.replaced !== null } : {};
}

/** @returns null where the snapshot is damaged: the journal alone tells enough to assess anew and go on with its plan */
function pointOf(snapshot: Buffer): ResumePoint | null {
  try {
    return resumePoint(JSON.parse(snapshot.toString('utf8')));
  } catch {
    return null;
  }
}

/** Gives the machine's own refusals their words. */
function explain(context: RunContext): unknown {
  const { failure } = context;
  if (failure === null || failure instanceof Failure || failure instanceof Interrupted) return failure;
  if (failure instanceof Error && failure.message === 'no plan applies') return noPlanFailure(context);
  if (failure instanceof Error && failure.message === 'not confirmed') return notConfirmedFailure(context);
  return failure;
}
