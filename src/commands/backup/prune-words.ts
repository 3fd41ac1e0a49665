import type { BackupDecision } from '../../backup/inventory/decide-backups.js';
import type { RemovedCopy } from '../../backup/inventory/remove-copies.js';
import { formatBytes, formatNumberOf } from '../../report/format.js';
import { hangingLines } from '../../report/hanging.js';
import { printable } from '../../report/text.js';
import { placeNames, placeRecord, placeSays } from './list-words.js';
import { storeNames } from './store-names.js';
import { copiesOf, isGone, isInPart, type PruneResult } from './prune-backups.js';

/** What pruning came to for scripts: a line for each backup, then one of all. Fields are only ever added. */
export function pruneRecords(result: PruneResult): object[] {
  const { decisions, copies, policy, failures } = result;
  return [
    ...decisions.map((decision) => decisionRecord(decision, copies)),
    {
      type: 'prune',
      exitCode: result.exitCode,
      dryRun: !result.removing,
      ...{ kept: result.kept, removed: result.removed, bytesFreed: result.bytesFreed },
      ...{ copiesRemoved: result.copiesRemoved, inPart: result.inPart },
      leftAlone: result.leftAlone,
      policy,
      places: result.places.map(placeRecord),
      failures: failures.map(({ code, message, hint }) => ({ code, message, hint })),
    },
  ];
}

function decisionRecord(decision: BackupDecision, removed: readonly RemovedCopy[]): object {
  const { backup, copies, action, reasons, overruled } = decision;
  const { kind, source: store, timestamp, ageSeconds } = backup;
  const outcomes = copiesOf(decision, removed);
  return {
    type: 'decision',
    ...{ kind, store, timestamp, ageSeconds: Math.round(ageSeconds), action, reasons, overruled },
    bytes: copies.reduce((sum, { bytes }) => sum + bytes, 0),
    places: copies.map(({ place }) => ({
      place,
      ...outcomeOf(outcomes.find((copy) => copy.place === place)),
    })),
  };
}

function outcomeOf(copy: RemovedCopy | undefined): object {
  if (copy === undefined) return {};
  const { outcome, lockedUntil, failure } = copy;
  return { outcome, lockedUntil, failure: failure === null ? null : failure.message };
}

/**
 * What pruning comes to for people: the same whether it is done or only told.
 *
 * @param width columns of the terminal; Infinity where there is none
 */
export function pruneLines(result: PruneResult, width: number): string[] {
  const { decisions, places, leftAlone } = result;
  const names = { places: placeNames(places), stores: storeNames(decisions.map(({ backup }) => backup)) };
  const lines = decisions.flatMap((decision) =>
    hangingLines(decisionHead(decision, result, names), decisionSays(decision), width),
  );
  return [
    ...(lines.length === 0 ? ['There are no backups to decide on.'] : lines),
    ...[
      ...(leftAlone === 0
        ? []
        : [`${backups(leftAlone)} elsewhere than where new ones go, and never removed.`]),
      ...places.flatMap(({ place, missing }) => (missing === null ? [] : [`${place}: ${missing}.`])),
      ...result.copies.flatMap(outcomeLine),
    ].flatMap((line) => hangingLines('', line, width)),
  ];
}

/** One line of what was done, or would be. */
export function pruneSummary(result: PruneResult): string {
  const { removing, kept, removed, copiesRemoved, inPart, bytesFreed } = result;
  const [keeps, removes] = removing ? ['kept', 'removed'] : ['to keep', 'to remove'];
  const part = inPart === 0 ? '' : ` (${inPart} of them no longer at all places)`;
  const copies = inPart === 0 ? '' : ` and ${formatNumberOf(copiesRemoved, 'copy', 'copies')} in all`;
  const freed = removed === 0 && bytesFreed === 0 ? '' : `, ${formatBytes(bytesFreed)}`;
  return `${keeps}: ${kept}${part}, ${removes}: ${removed}${copies}${freed}`;
}

function backups(count: number): string {
  return formatNumberOf(count, 'backup lies', 'backups lie');
}

/** What happens to a backup, or happened. */
function verdict(decision: BackupDecision, { removing, copies }: PruneResult): string {
  if (!removing || decision.action === 'keep') return decision.action;
  if (isGone(decision, copies)) return 'removed';
  return isInPart(decision, copies) ? 'in part' : 'stays';
}

function decisionHead(
  decision: BackupDecision,
  result: PruneResult,
  { places, stores }: { places: ReadonlyMap<string, string>; stores: ReturnType<typeof storeNames> },
): string {
  const where = placeSays(decision.copies.map(({ place }) => places.get(place) ?? place));
  const width = result.removing ? 'removed'.length : 'remove'.length;
  const store = stores === null ? '' : `${stores(decision.backup)}  `;
  return `${verdict(decision, result).padEnd(width)}  ${decision.backup.timestamp}  ${where.padEnd(5)}  ${store}`;
}

function decisionSays({ reasons, overruled }: BackupDecision): string {
  const why = reasons.map(({ says }) => says).join('; ');
  const despite = overruled.length === 0 ? '' : ` (though ${overruled.map(({ says }) => says).join('; ')})`;
  return printable(why + despite);
}

const OUTCOMES: Partial<Record<RemovedCopy['outcome'], string>> = {
  locked: 'is locked',
  pinned: 'was pinned in the meantime',
  'in-use': 'is used by a run that began in the meantime',
  changed: 'was changed in the meantime',
};

/** What went otherwise than it was told. */
function outcomeLine({ timestamp, place, outcome, lockedUntil, failure }: RemovedCopy): string[] {
  if (failure !== null) return [`✗ ${timestamp} in ${place}: ${failure.reason}`];
  const says = OUTCOMES[outcome];
  if (says === undefined) return [];
  const until =
    lockedUntil === null ? '' : lockedUntil === 'hold' ? ' by a legal hold' : ` until ${lockedUntil}`;
  return [`! ${timestamp} in ${place} ${says}${until}, and stays there.`];
}
