import { expect, it } from 'vitest';
import { asOfWriting } from '../../src/backup/create/place-failure.js';
import { Failure, type ExitCode } from '../../src/failure.js';

it.each<[string, ExitCode, ExitCode]>([
  ['s3-unreachable', 10, 10],
  ['s3-no-such-bucket', 4, 1],
  ['s3-no-credentials', 10, 2],
  ['s3-no-region', 10, 2],
  ['archive-denied', 1, 1],
])('a place that cannot be listed is a backup that is not written there: %s', (code, listed, written) => {
  const subject = 's3://bucket';
  const facts = { operation: 'list the backups', subject, reason: 'so', hint: 'do', exitCode: listed, code };
  const failure = asOfWriting(new Failure(facts));
  expect(failure).toMatchObject({ ...facts, operation: 'write the backup', exitCode: written });
});
