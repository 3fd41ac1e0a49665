import { it } from 'vitest';
import { Lab } from '../support/lab.js';
it('explore', async () => {
  const lab = await Lab.start({ });
  try {
    await lab.fill({memories: 3000});
    await lab.damage('graph-empty');
    const run = await lab.recover();
    console.log(run.exitCode, await lab.keys());
    await new Promise(r=>setTimeout(r,1500));
    console.log(run.exitCode, await lab.keys());
  } finally { await lab.stop(); }
});
