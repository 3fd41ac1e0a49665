import { createActor, fromPromise, waitFor } from 'xstate';
import type { BackupDepth } from '../../assess/assess-backups.js';
import { Failure, Interrupted } from '../../failure.js';
import { rankPlans } from '../../plans/choose.js';
import { loadPlans } from '../../plans/load.js';
import { EventBus } from '../../recovery/event-bus.js';
import type { ComparisonResult, RunControls, Summary } from '../../recovery/events.js';
import { acquireLease, type Lease } from '../../recovery/lease.js';
import {
  recoveryMachine,
  type RecoveryActor,
  type RunContext,
  type RunRequest,
} from '../../recovery/machine.js';
import { newRunId } from '../../recovery/run-directory.js';
import type { Settings } from '../../settings/settings.js';
import { STEPS } from '../../steps/registry.js';
import { Origin } from '../../steps/source-index.js';
import { emptyWork, type RebuildWork, type StepContext } from '../../steps/step.js';
import { assessWith, type Assessed, type BackupChoice } from './assess-actor.js';
import { conclude, summarize } from './conclude.js';
import { checkMemory, executePlan, unlessAborted } from './execute-actor.js';
import { noPlanFailure, notConfirmedFailure } from './no-plan.js';
import { PhaseClock } from './phases.js';
import { RunRecord } from './record.js';
import { runValidation } from './validate-actor.js';
import { Connections } from './world.js';

/** Where lifeboat.config.yaml sets none. */
const DEFAULT_RTO_SECONDS = 15 * 60;
const DEFAULT_RPO_SECONDS = 24 * 3600;

export interface SessionOptions {
  command: 'assess' | 'recover' | 'validate' | 'drill';
  request: RunRequest;
  backup: BackupChoice;
  backupDepth: BackupDepth;
  restoreUnmatched: boolean;
  /** Folders with plans, the built-in one first. */
  planFolders: readonly string[];
  /** Whether a folder with journal and report is kept; reading commands leave no trace. */
  keepsRecord: boolean;
  /** Looks at the recovered graph before the run concludes: a drill compares it with the one before the damage. */
  inspect?: () => Promise<ComparisonResult>;
}

/** One run from its request to its summary: gives the machine its actors and tells everything that happens. */
export class RunSession {
  readonly bus = new EventBus();
  readonly run = newRunId(new Date());
  private readonly work: RebuildWork = emptyWork();
  private readonly abort = new AbortController();
  private readonly connections: Connections;
  private readonly phases = new PhaseClock(this.bus.emit);
  private readonly started = performance.now();
  private record: RunRecord | null = null;
  private lease: Lease | null = null;
  private found: Assessed | null = null;
  private salvaged = 0;
  private quarantined = 0;
  private summary: Summary | null = null;
  private actor: RecoveryActor | null = null;

  constructor(
    private readonly settings: Settings,
    private readonly options: SessionOptions,
  ) {
    this.connections = new Connections(settings, () => this.found?.server?.queryTimeoutMs ?? 0);
  }

  readonly controls: RunControls = {
    choose: (plan) => this.actor?.send({ type: 'CHOOSE', plan }),
    confirm: (typed) => this.actor?.send({ type: 'CONFIRM', typed }),
    back: () => this.actor?.send({ type: 'BACK' }),
    cancel: () => this.actor?.send({ type: 'CANCEL' }),
    interrupt: () => {
      this.interruptions++;
      this.actor?.send({ type: 'INTERRUPT' });
      // Only what changes something is first brought to a good end.
      if (this.interruptions === 1 && this.changes) return;
      this.abort.abort(new Interrupted());
      // A server that is silent keeps nobody waiting, and no step that was left behind writes anything more.
      this.connections.close();
    },
  };
  private interruptions = 0;
  /** True from the first step of a plan on. */
  private changes = false;

  /**
   * Runs to the end. Expected failures are in the summary; anything thrown is a bug.
   */
  async execute(): Promise<Summary> {
    try {
      this.announce();
      this.actor = createActor(this.machine(), { input: this.options.request });
      this.actor.start();
      const { context } = await waitFor(this.actor, (snapshot) => snapshot.status === 'done', {
        timeout: Infinity,
      });
      // Only a bug keeps a run from its summary.
      if (this.summary === null) throw explain(context);
      return this.summary;
    } finally {
      this.connections.close();
      await this.lease?.release();
    }
  }

  private announce(): void {
    this.bus.emit({
      type: 'run.started',
      command: this.options.command,
      run: this.run,
      graph: this.settings.graph.name,
      collection: this.settings.vectors.collection,
      dryRun: this.options.request.dryRun,
      rtoSeconds: this.rtoSeconds,
    });
  }

  private get rtoSeconds(): number {
    return this.settings.objectives.rtoSeconds ?? DEFAULT_RTO_SECONDS;
  }

  private machine(): typeof recoveryMachine {
    const { emit } = this.bus;
    return recoveryMachine.provide({
      actors: {
        lease: fromPromise(async () => {
          if (this.options.keepsRecord) {
            this.record = await RunRecord.open(this.settings.folders.state, this.run, this.bus);
          }
          this.lease = await acquireLease();
        }),
        assess: fromPromise(() => unlessAborted(this.assess(), this.abort.signal)),
        plan: fromPromise(() => this.plan()),
        safeguard: fromPromise(async () => checkMemory(await this.stepContext(), this.found?.server ?? null)),
        execute: fromPromise(async ({ input }) => {
          this.changes = true;
          this.phases.enter('execute');
          await executePlan(input.plan, await this.stepContext(), emit, {
            afterStep: () => this.interruptions > 0,
          });
        }),
        validate: fromPromise(({ input }) => unlessAborted(this.validate(input.executed), this.abort.signal)),
        report: fromPromise(({ input }) => this.report(input.context)),
      },
      actions: {
        announceChoice: ({ context }) =>
          emit({
            type: 'plan.chosen',
            plan: context.chosen?.name ?? '',
            by: context.plan === null && !context.interactive ? 'lifeboat' : 'operator',
          }),
        askForName: ({ context }) =>
          emit({ type: 'confirm.required', plan: context.chosen?.name ?? '', name: context.confirmName }),
        acceptName: ({ context }) => emit({ type: 'confirm.accepted', plan: context.chosen?.name ?? '' }),
        rejectName: ({ context, event }) =>
          emit({
            type: 'confirm.rejected',
            typed: event.type === 'CONFIRM' ? event.typed : '',
            name: context.confirmName,
          }),
        announceStop: ({ context }) =>
          emit({
            type: 'stopping',
            message: this.interruptions > 1 ? 'aborting now' : this.stopMessage(context),
          }),
      },
    });
  }

  private async assess(): Promise<Assessed['assessment']> {
    this.phases.enter('assess');
    this.found = await assessWith(this.settings, this.options.backup, this.options.backupDepth);
    const { assessment } = this.found;
    for (const finding of assessment.findings) this.bus.emit({ type: 'finding', finding });
    this.bus.emit({ type: 'assessment', assessment });
    return assessment;
  }

  private async plan(): Promise<ReturnType<typeof rankPlans>> {
    this.phases.enter('plan');
    const found = this.assessed();
    const plans = await loadPlans(this.options.planFolders, new Set(STEPS.keys()));
    const { graph, vectors } = found.assessment;
    const rates = { points: vectors.readRate, nodes: graph.readRate, backupBytes: found.backupReadRate };
    const titles = new Map([...STEPS.values()].map(({ id, title }) => [id, title]));
    const ranked = rankPlans(plans, found.assessment, rates, titles);
    this.bus.emit({ type: 'plans', ...ranked });
    return ranked;
  }

  private async validate(executed: boolean): ReturnType<typeof runValidation> {
    this.phases.enter('validate');
    const { restored, sink, index } = this.work;
    const byRelationship = Object.fromEntries(
      [...(sink?.digests ?? [])].map(([type, { count }]) => [type, count]),
    );
    const quarantined = new Set([...(index?.entries(Origin.Quarantined) ?? [])].map(({ key }) => key));
    const expected = executed ? { ...restored, byRelationship, quarantined } : null;
    return runValidation(
      this.settings,
      this.connections,
      { expected, depth: executed ? 'ids' : 'content', signal: this.abort.signal },
      this.bus.emit,
    );
  }

  private async report(context: RunContext): Promise<void> {
    this.phases.enter('report');
    const seconds = (performance.now() - this.started) / 1000;
    const comparison = context.executed ? await this.inspect() : undefined;
    if (comparison?.result !== undefined)
      this.bus.emit({ type: 'comparison', comparison: comparison.result });
    const explained = { ...context, failure: explain(context) ?? comparison?.error ?? null };
    const facts = {
      command: this.options.command,
      run: this.run,
      seconds,
      rtoSeconds: this.rtoSeconds,
      rpoSeconds: this.settings.objectives.rpoSeconds ?? DEFAULT_RPO_SECONDS,
      salvaged: this.salvaged,
      quarantined: this.quarantined,
      work: this.work,
      ...(comparison?.result === undefined ? {} : { comparison: comparison.result }),
    };
    const conclusion = conclude(explained, facts);
    this.tellFailure(conclusion.failure);
    this.phases.leave();
    let summary = summarize(explained, facts, conclusion, this.record?.files() ?? {});
    try {
      await this.record?.close(summary);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      // What was quarantined is nowhere then: that must not end as a success.
      this.tellFailure(error);
      summary = summarize(
        explained,
        facts,
        conclude({ ...explained, failure: conclusion.failure ?? error }, facts),
        {},
      );
    }
    this.bus.emit(summary);
    this.summary = summary;
  }

  /** A drill that could not compare has proven nothing: the error counts like any other of the run. */
  private async inspect(): Promise<{ result?: ComparisonResult; error?: unknown }> {
    const { inspect } = this.options;
    if (inspect === undefined) return {};
    try {
      return { result: await unlessAborted(inspect(), this.abort.signal) };
    } catch (error) {
      return { error };
    }
  }

  private stopMessage({ executed }: RunContext): string {
    if (!this.changes) return 'stopping';
    return executed
      ? 'finishing what is left to check; again to abort now'
      : 'stopping after this step; again to abort now';
  }

  private tellFailure(failure: Failure | null): void {
    if (failure === null) return;
    const { code, message, hint, exitCode } = failure;
    this.bus.emit({ type: 'failure', code, message, hint, exitCode });
  }

  private assessed(): Assessed {
    if (this.found === null) throw new Error('nothing was assessed yet');
    return this.found;
  }

  private context: Omit<StepContext, 'progress'> | null = null;

  private async stepContext(): Promise<Omit<StepContext, 'progress'>> {
    if (this.context !== null) return this.context;
    const { assessment, archive } = this.assessed();
    const { graph, vectors, excludedTypes } = this.settings;
    this.context = {
      graphName: graph.name,
      collection: vectors.collection,
      excludedTypes: new Set(excludedTypes),
      graph: await this.connections.openGraph(),
      openGraph: this.connections.openGraph,
      vectors: this.connections.vectors(),
      archive,
      backup: assessment.backups.newest,
      assessment,
      stagingKey: `{${graph.name}}:lifeboat:${this.run}`,
      replacedKey: `{${graph.name}}:before:${this.run}`,
      dryRun: this.options.request.dryRun,
      restoreUnmatched: this.options.restoreUnmatched,
      signal: this.abort.signal,
      notice: (message) => this.bus.emit({ type: 'notice', message }),
      salvage: (id, field, rule) => {
        this.salvaged++;
        this.record?.append('salvage.ndjson', { id, field, rule });
        this.bus.emit({ type: 'salvage', id, field, rule });
      },
      quarantine: (entry) => {
        this.quarantined++;
        this.record?.append('quarantine.ndjson', entry);
        this.bus.emit({ type: 'quarantine', kind: entry.kind, id: entry.id, reason: entry.reason });
      },
      work: this.work,
    };
    return this.context;
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
