import type { ExitCode } from '../../failure.js';

/** What a Failure says of an S3 call, but for what was being done. */
export interface S3Facts {
  reason: string;
  hint: string;
  code: string;
  /** Without one: the store cannot be reached. */
  exitCode?: ExitCode;
}
