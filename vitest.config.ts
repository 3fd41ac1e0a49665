import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    testTimeout: 60_000,
    hookTimeout: 180_000,
    // Engines are started per file; two files at once keep two cores busy without starving the engines.
    maxWorkers: 2,
  },
});
