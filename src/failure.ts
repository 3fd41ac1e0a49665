/**
 * The exit codes of every command. Scripts depend on them: never renumber.
 */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  notAsItShouldBe: 3,
  nothingToRecoverFrom: 4,
  objectiveMissed: 5,
  unreachable: 10,
  leaseHeld: 11,
  interrupted: 130,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** What a failure tells the person who reads it. */
export interface FailureFacts {
  /** What Lifeboat was doing, as a verb phrase: "read the collection". */
  operation: string;
  /** What it was doing it to: a host, file, collection, variable. */
  subject: string;
  /** Why it did not work, in plain words. */
  reason: string;
  /** The next thing to do. */
  hint: string;
  exitCode: ExitCode;
  /** A stable word for scripts: "connection-refused", "backup-truncated". */
  code: string;
}

/**
 * An expected failure: something outside Lifeboat is not as it must be. Anything else that is thrown is a bug
 * and is reported as one.
 */
export class Failure extends Error implements FailureFacts {
  override readonly name = 'Failure';
  readonly operation: string;
  readonly subject: string;
  readonly reason: string;
  readonly hint: string;
  readonly exitCode: ExitCode;
  readonly code: string;

  constructor(facts: FailureFacts, options?: { cause?: unknown }) {
    super(`Could not ${facts.operation} (${facts.subject}): ${facts.reason}`, options);
    this.operation = facts.operation;
    this.subject = facts.subject;
    this.reason = facts.reason;
    this.hint = facts.hint;
    this.exitCode = facts.exitCode;
    this.code = facts.code;
  }
}

/** The operator stopped the run. Not an error: nothing is logged but where it stopped. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  constructor() {
    super('Interrupted by the operator');
  }
}
