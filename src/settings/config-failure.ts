import { ExitCode, Failure } from '../failure.js';

export const CONFIG_FILE = 'lifeboat.config.yaml';

/** What to say of the file as a whole. */
export function configFailure(problems: readonly string[], cause?: unknown): Failure {
  return new Failure(
    {
      operation: 'read the settings',
      subject: CONFIG_FILE,
      reason: problems.join('; '),
      hint: `Correct ${CONFIG_FILE} at the named line.`,
      exitCode: ExitCode.usage,
      code: 'settings-invalid',
    },
    { cause },
  );
}
