import type { Assessment, Unreachable } from '../../assess/types.js';
import { ExitCode, Failure } from '../../failure.js';
import type { PlanOption } from '../../plans/types.js';
import type { RunContext } from '../../recovery/run-context.js';

/** Why the run stops without a plan, with what to do instead. */
export function noPlanFailure({ plan, options, assessment }: RunContext): Failure {
  const away = assessment === null ? null : firstUnreachable(assessment);
  if (away !== null) return unreachableFailure(away);
  if (assessment?.graph.persistence?.readOnlyReplica === true) return replicaFailure(assessment);
  if (plan === null) return nothingApplies(options, assessment);
  const option = options.find(({ name }) => name === plan);
  if (option === undefined) {
    return new Failure({
      operation: 'run the plan',
      subject: plan,
      reason: 'there is no plan of that name',
      hint: `The plans are: ${options.map(({ name }) => name).join(', ')}.`,
      exitCode: ExitCode.usage,
      code: 'plan-unknown',
    });
  }
  return notApplicable(option, options, assessment);
}

function notApplicable(
  { name, reason }: PlanOption,
  options: readonly PlanOption[],
  assessment: Assessment | null,
): Failure {
  const applying = options.filter(({ applies }) => applies).map((option) => option.name);
  const instead =
    applying.length === 0
      ? ['No plan applies by itself.', ...onRequest(options)]
      : [`Plans that apply: ${applying.join(', ')}. To see them all: lifeboat recover --dry-run`];
  return new Failure({
    operation: 'run the plan',
    subject: name,
    reason,
    hint: instead.join('\n'),
    exitCode: assessment?.graph.state === 'intact' ? ExitCode.usage : ExitCode.nothingToRecoverFrom,
    code: 'plan-not-applicable',
  });
}

/** Why each plan does not fit was told with the plans; here it is said what that comes to. */
function nothingApplies(options: readonly PlanOption[], assessment: Assessment | null): Failure {
  return new Failure({
    operation: 'choose a recovery plan',
    subject: 'what the assessment found',
    reason: `none fits by itself${assessment === null ? '' : `, since ${found(assessment)}`}`,
    hint: [
      'Nothing was changed. If there are backups elsewhere, point AUTOMEM_BACKUP_DIR at them and run the command again.',
      ...onRequest(options),
    ].join('\n'),
    exitCode: ExitCode.nothingToRecoverFrom,
    code: 'no-plan-applies',
  });
}

function found({ graph, vectors, backups }: Assessment): string {
  const isEither = backups.newest !== null || backups.newestVectors !== null;
  return [
    `the graph is ${graph.state}`,
    vectors.payloadsMissing
      ? 'the points carry no payloads, so that only a backup can bring memories back'
      : `the vectors are ${vectors.state}`,
    ...(isEither ? [] : ['there is no backup to use']),
  ].join(', ');
}

function replicaFailure({ graph }: Assessment): Failure {
  return new Failure({
    operation: 'recover into the graph server',
    subject: graph.address,
    reason: 'it is a read-only replica',
    hint: 'Point FALKORDB_HOST at the primary, or promote this one with REPLICAOF NO ONE. Nothing was changed.',
    exitCode: ExitCode.failed,
    code: 'read-only',
  });
}

function firstUnreachable({ graph, vectors }: Assessment): { store: string; why: Unreachable } | null {
  if (graph.unreachable !== undefined)
    return { store: `the graph server at ${graph.address}`, why: graph.unreachable };
  if (vectors.unreachable !== undefined)
    return { store: `Qdrant at ${vectors.address}`, why: vectors.unreachable };
  return null;
}

function unreachableFailure({ store, why }: { store: string; why: Unreachable }): Failure {
  return new Failure({
    operation: 'recover',
    subject: store,
    reason: why.message,
    hint: `${why.hint} Nothing was changed: a store that cannot be reached is not an empty one.`,
    exitCode: ExitCode.unreachable,
    code: why.cause,
  });
}

export function notConfirmedFailure({ confirm, confirmName, chosen }: RunContext): Failure {
  const given =
    confirm === null
      ? 'no confirmation was given and there is no terminal to ask in'
      : `--confirm ${confirm} does not name the graph`;
  return new Failure({
    operation: 'change a store',
    subject: chosen?.name ?? 'the plan',
    reason: given,
    hint: `To go on, add: --confirm ${confirmName}. To see what would happen: --dry-run`,
    exitCode: ExitCode.usage,
    code: 'not-confirmed',
  });
}

/** Plans that are never taken by themselves, one a line. */
function onRequest(options: readonly PlanOption[]): string[] {
  return options
    .filter((option) => option.onRequest === true)
    .map(({ name }) => `To see what ${name} would do: lifeboat recover ${name} --dry-run`);
}
