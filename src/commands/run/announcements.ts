import type { Emit, Mend } from '../../recovery/events.js';
import type { RunContext, RunMachineEvent } from '../../recovery/run-context.js';

interface Moment {
  context: RunContext;
  event: RunMachineEvent;
}

type Announcement = (moment: Moment) => void;

/** What the machine does besides going on: it tells the views. */
export function announcements(
  emit: Emit,
  stopMessage: (context: RunContext) => string,
): Record<
  | 'announceResume'
  | 'announceChoice'
  | 'askForName'
  | 'acceptName'
  | 'rejectName'
  | 'offerFix'
  | 'announceFix'
  | 'announceStop',
  Announcement
> {
  const plan = ({ chosen }: RunContext): string => chosen?.name ?? '';
  return {
    announceResume: ({ context }) => {
      emit({ type: 'plans', options: context.options, recommended: context.recommended });
      emit({ type: 'plan.chosen', plan: plan(context), by: 'operator' });
    },
    announceChoice: ({ context }) =>
      emit({
        type: 'plan.chosen',
        plan: plan(context),
        by: context.plan === null && !context.interactive ? 'lifeboat' : 'operator',
      }),
    askForName: ({ context }) =>
      emit({ type: 'confirm.required', plan: plan(context), name: context.confirmName }),
    acceptName: ({ context }) => emit({ type: 'confirm.accepted', plan: plan(context) }),
    rejectName: ({ context, event }) =>
      emit({
        type: 'confirm.rejected',
        typed: event.type === 'CONFIRM' ? event.typed : '',
        name: context.confirmName,
      }),
    offerFix: ({ context }) =>
      emit({ type: 'fix.offered', mends: mendsOf(context), round: context.rounds + 1 }),
    announceFix: ({ context }) =>
      emit({ type: 'fix.started', mends: mendsOf(context), round: context.rounds }),
    announceStop: ({ context }) => emit({ type: 'stopping', message: stopMessage(context) }),
  };
}

function mendsOf({ checks }: RunContext): Mend[] {
  const named = checks.flatMap(({ status, mend }) => (status === 'fail' && mend !== undefined ? [mend] : []));
  return [...new Set(named)];
}
