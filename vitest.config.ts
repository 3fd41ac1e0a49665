import { defineConfig } from 'vitest/config';

import { RESULTS_FILE } from './test/tools/results.js';

export default defineConfig({
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    globalSetup: 'test/tools/setup.ts',
    // The JSON is what .ci/run counts.
    reporters: ['default', ['json', { outputFile: RESULTS_FILE }]],
    testTimeout: 60_000,
    hookTimeout: 180_000,
    // Engines are started per file, and many a test waits for a terminal or a lease: three files at once keep two cores busy
    // without starving the engines.
    maxWorkers: 3,
    // A test that was singled out must not stay so.
    allowOnly: false,
  },
});
