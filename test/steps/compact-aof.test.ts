import { expect, it } from 'vitest';

import { ExitCode, Failure } from '../../src/failure.js';
import { compactAof } from '../../src/steps/compact-aof.js';
import type { StepContext } from '../../src/steps/step.js';

// No engine can be made to rewrite for just as long as a test needs.
it('starts a rewrite of its own after one that was under way', async () => {
  const commands: string[] = [];
  let polls = 0;
  const command = (_: string, name: string): Promise<string> => {
    commands.push(name);
    if (name === 'INFO') {
      const busy = ++polls === 2 || polls === 4 ? 1 : 0;
      return Promise.resolve(
        `aof_enabled:1\r\naof_rewrite_in_progress:${busy}\r\naof_last_bgrewrite_status:ok`,
      );
    }
    if (commands.filter((one) => one === name).length > 1) return Promise.resolve('started');
    const reason = 'ERR Background append only file rewriting already in progress';
    const facts = { operation: 'compact', subject: 'graph', reason, hint: '', code: 'graph-error' };
    return Promise.reject(new Failure({ ...facts, exitCode: ExitCode.failed }));
  };
  const context = {
    graph: { command },
    signal: new AbortController().signal,
    notice: () => undefined,
  } as unknown as StepContext;
  expect(await compactAof.run(context)).toMatch(/^compacted/);
  // Looked, was refused, waited for the one under way, started its own, waited for it.
  expect(commands.join(' ')).toBe('INFO BGREWRITEAOF INFO INFO BGREWRITEAOF INFO INFO');
});
