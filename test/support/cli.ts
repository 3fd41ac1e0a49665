import { fileURLToPath } from 'node:url';

/** Where the test run keeps the program as users run it: built once, it starts in a third of the time. */
export const BUILT = 'test-results/dist';

/** The program itself, for tests that need it in a process of its own. */
export const CLI = fileURLToPath(new URL(`../../${BUILT}/cli.js`, import.meta.url));
