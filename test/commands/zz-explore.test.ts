import { expect, it } from 'vitest';
import { Lab, payloadOf } from '../support/lab.js';
import { GraphStore } from '../../src/stores/graph/graph-store.js';
import { VectorStore } from '../../src/stores/vectors/vector-store.js';
import { memoryRows } from '../../src/stores/graph/memory-rows.js';
it('explore', async () => {
  const lab = await Lab.start({ });
  try {
    await lab.fill({memories: 60});
    const base = (i:number)=>`0a000000-0000-4000-8000-00000000000${i}`;
    await lab.upsert([
      {id: base(1), payload: payloadOf('x', {tags: ['C:\\temp', 'a\\nb']})},
      {id: base(2), payload: payloadOf('x', {tags: ['say "x"', 'x","y']})},
      {id: base(4), payload: '{"content":"y","importance":1e-5,"confidence":9007199254740993,"relevance_score":1.7976931348623157e308,"timestamp":"2026-11-20T10:00:00+00:00","type":"D"}'},
    ]);
    const v = new VectorStore({url: lab.engines.vectors.url, timeoutMs: 5000});
    console.log(await v.retrieve('memories', [base(4)], {payload: true, numbers: 'exact'}));
    console.log(await v.retrieve('memories', [base(4)], {payload: true, numbers: 'fast'}));
    const g = await GraphStore.open(lab.engines.graph);
    await lab.query(`CREATE (:Memory {id:'q', confidence: 9007199254740993, content: 'x', tags: ['C:\\\\temp']})`);
    console.log(await lab.query(`MATCH (m {id:'q'}) RETURN m.confidence, toJSON([m.confidence]), toString(m.confidence), m.tags`));
    for await (const p of memoryRows(g, 'memories')) console.log(p.filter(r=>r.id==='q'));
    g.close();
  } finally { await lab.stop(); }
});
