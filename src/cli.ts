#!/usr/bin/env node
import module from 'node:module';

// Node.js before 22 lacks it, and is told so in words further on. What is imported after this line starts faster from
// the second run on.
(module as Partial<Pick<typeof module, 'enableCompileCache'>>).enableCompileCache?.();
const { main } = await import('./main.js');
await main(process);
