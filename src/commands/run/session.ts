import { createActor, fromPromise, waitFor } from 'xstate';
import { Interrupted } from '../../failure.js';
import { rankPlans, type RankedPlans } from '../../plans/choose.js';
import { loadPlans } from '../../plans/load.js';
import { EventBus } from '../../recovery/event-bus.js';
import type { RunControls, Summary } from '../../recovery/events.js';
import { recoveryMachine, type RecoveryActor } from '../../recovery/machine.js';
import { isResumePoint } from '../../recovery/resume-point.js';
import type { ResumePoint, RunContext } from '../../recovery/run-context.js';
import { listRuns, type RunState } from '../../recovery/run-state.js';
import type { Assessment } from '../../assess/types.js';
import { newRunId } from '../../recovery/run-directory.js';
import type { Settings } from '../../settings/settings.js';
import { noteMadePoints } from '../../steps/made-points.js';
import { STEPS } from '../../steps/registry.js';
import { emptyWork, type RunStepsContext, type RunWork } from '../../steps/step.js';
import { forgetOlderRepairs } from '../runs/forget-older.js';
import { againCommand } from './again.js';
import { asAsked } from './as-asked.js';
import { assessWith, type Assessed } from './assess-actor.js';
import { announcements } from './announcements.js';
import { refuseChangedStores } from './changed-since.js';
import { JournalledChanges } from './change-log.js';
import { withDoubt } from './doubt.js';
import { executePlan } from './execute-actor.js';
import { unlessAborted } from './unless-aborted.js';
import { expectationOf } from './expectation.js';
import { explain } from './explain.js';
import { mendChecks } from './fix-actor.js';
import { PhaseClock } from './phases.js';
import { openPlaces, type BackupPlaces } from './places.js';
import { proveBackups, proveForAssessment, proveForPlan, type Proving } from './prove-backups.js';
import { RunRecord } from './record.js';
import { refuseUnderNewerRun } from './refuse-newer-run.js';
import { keepSnapshot, readResumable, takeUpRun } from './reopen.js';
import { RunLease } from './run-lease.js';
import { RunReport } from './run-report.js';
import { safeguard } from './safeguard.js';
import { headerOf, type SessionOptions } from './session-options.js';
import { stepContext } from './step-context.js';
import { runValidation } from './validate-actor.js';
import { Connections } from './world.js';

/** Whether the backup of the plan in mind is proven; what only validates has no plan. */
const PROVES = { recover: proveForPlan, plan: proveForAssessment, validate: null } as const;

/** One run from its request to its summary: gives the machine its actors and tells everything that happens. */
export class RunSession {
  readonly bus = new EventBus();
  readonly run: string;
  private readonly work: RunWork = emptyWork((losses) =>
    this.record?.journal.append({ entry: 'losses', losses: [...losses] }),
  );
  private readonly abort = new AbortController();
  /** Aborts when the operator asks to stop for the first time: what only waits ends at once. */
  private readonly stop = new AbortController();
  private readonly connections: Connections;
  private readonly phases = new PhaseClock(this.bus.emit);
  private readonly reporting: RunReport;
  private record: RunRecord | null = null;
  private changes: JournalledChanges | null = null;
  private readonly lease: RunLease;
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
    this.lease = new RunLease(settings, options, this.run, this.reporting.notice, (reason) =>
      this.stopNow(reason),
    );
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
      await this.lease.release(this.abort.signal.aborted);
    }
  }

  private async keepSnapshot(): Promise<void> {
    if (this.record !== null && this.actor !== null)
      await keepSnapshot(this.record, this.actor.getPersistedSnapshot());
  }

  private machine(): typeof recoveryMachine {
    const { emit } = this.bus;
    return recoveryMachine.provide({
      actors: {
        lease: fromPromise(() => this.takeLease()),
        assess: fromPromise(() => unlessAborted(this.assess(), this.abort.signal)),
        plan: fromPromise(() => this.plan()),
        safeguard: fromPromise(async ({ input }) => {
          await this.lease.moveFor(input.plan);
          // A person may have taken another plan than the one that was in mind.
          if (this.resumed === null)
            for (const finding of await proveBackups(this.proving(), input.plan))
              this.reporting.warn(finding);
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
          await this.prepareToMend();
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
          const record = this.lease.isLost ? null : this.record;
          const told = { ...input.context, failure: withDoubt(failure, this.changes?.doubt ?? null) };
          // A run that refused to go on has written nothing that it could note.
          if (input.context.executed || this.executing) await this.noteMadePoints(record);
          await this.reporting.report(told, record, this.changes, this.abort.signal, () => this.tidy());
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
    if (resume === null && keepsRecord) await this.openRecord();
    if (takesLease) await this.lease.take();
    const point = resume === null ? null : await this.reopen(resume.header.run);
    this.followChanges();
    return point;
  }

  /** What only read until a person accepted the offer to mend has neither a folder nor the lease yet. */
  private async prepareToMend(): Promise<void> {
    if (this.lease.current !== null) return;
    await this.lease.take();
    await this.openRecord();
    this.followChanges();
    await this.keepSnapshot();
  }

  private async openRecord(): Promise<void> {
    const header = headerOf(this.run, this.settings, this.options);
    this.record = await RunRecord.create(this.settings.folders.state, header, this.bus);
  }

  private followChanges(): void {
    const journal = this.record?.journal ?? null;
    this.changes = new JournalledChanges(journal, () => this.lease.current, this.resumed);
  }

  private async reopen(run: string): Promise<ResumePoint | null> {
    const { state: folder } = this.settings.folders;
    const resumed = readResumable(folder, run);
    this.resumed = resumed;
    this.record = await RunRecord.reopen(folder, resumed, this.bus);
    const point = await takeUpRun(this.record, resumed, this.work, this.reporting, this.bus.emit);
    this.original = point?.context.assessment ?? null;
    return point;
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
      this.abort.signal,
      againCommand(this.options),
    );
    const { assessment } = this.found;
    const prove = PROVES[this.options.request.goal];
    if (begun === null && prove !== null)
      assessment.findings.push(...(await prove(this.proving(), () => this.rank())));
    for (const finding of assessment.findings) this.bus.emit({ type: 'finding', finding });
    this.bus.emit({ type: 'assessment', assessment });
    if (this.resumed !== null) {
      refuseUnderNewerRun(this.resumed, listRuns(this.settings.folders.state));
      refuseChangedStores(this.resumed, this.original, assessment);
    }
    return assessment;
  }

  private async plan(): Promise<RankedPlans> {
    this.phases.enter('plan');
    const ranked = await this.rank();
    this.bus.emit({ type: 'plans', ...ranked });
    return ranked;
  }

  private proving(): Proving {
    const { settings, options, work } = this;
    return { found: this.assessed(), settings, options, work, signal: this.abort.signal };
  }

  private async rank(): Promise<RankedPlans> {
    const found = this.assessed();
    const plans = await loadPlans(this.options.planFolders, new Set(STEPS.keys()));
    const { graph, vectors } = found.assessment;
    const rates = { points: vectors.readRate, nodes: graph.readRate, backupBytes: found.backupReadRate };
    const titles = new Map([...STEPS.values()].map(({ id, title }) => [id, title]));
    return asAsked(rankPlans(plans, found.assessment, rates, titles), this.options);
  }

  private async validate(asked: { executed: boolean; rounds: number }): ReturnType<typeof runValidation> {
    this.phases.enter('validate');
    return runValidation(
      this.settings,
      this.connections,
      { ...expectationOf(this.work, asked), signal: this.abort.signal },
      this.bus.emit,
    );
  }

  private async noteMadePoints(record: RunRecord | null): Promise<void> {
    if (record === null || this.changes === null || this.abort.signal.aborted) return;
    const { changes, work, connections } = this;
    const begun = Date.parse((this.original ?? this.assessed().assessment).takenAt);
    await noteMadePoints({ changes, work, begun }, connections.vectors(), record);
  }

  /** Cron's repairs would pile up what they keep. */
  private async tidy(): Promise<void> {
    const { keepRepairs: keep } = this.options;
    if (keep === undefined || this.changes === null) return;
    const { changes, connections, reporting, run, settings } = this;
    const stores = {
      graph: await connections.graph(),
      vectors: connections.vectors(),
      check: () => changes.check(),
    };
    await forgetOlderRepairs({ run, keep }, settings, stores, reporting.notice);
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
