/**
 * Prints "N passed, N failed" for the last run of the tests, alone on its line; exits 1 where a test failed or did not
 * run.
 *
 *     node --import tsx test/tools/count.ts
 */
import { readCounts } from './results.js';

const { passed, failed } = readCounts();
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
