/**
 * A process of its own, to measure the memory that reading a large pair takes. Prints one JSON line.
 *
 *     node --import tsx start-child.ts FOLDER
 */
import { openBackupSource } from '../../src/backup/files/source.js';
import { VectorsSource } from '../../src/backup/files/vectors-source.js';
import { verifyPair } from '../../src/backup/pair/verify-pair.js';
import { keepHeapSmall } from '../../src/heap.js';

// As the command line does.
keepHeapSmall();
const [dir = ''] = process.argv.slice(2);
const { archive, pairs } = await openBackupSource({ dir, scratch: dir });
const [pair] = pairs;
if (pair?.vectors == null) throw new Error('there is no pair');
const { sound, counts, overlap } = await verifyPair(archive, pair, { excludedTypes: new Set() });
let characters = 0;
for await (const page of new VectorsSource(archive, pair.vectors, { vectorSize: 768 }).pages(() => undefined))
  for (const { vector } of page) characters += vector.text.length;
const { maxRSS } = process.resourceUsage();
process.stdout.write(JSON.stringify({ sound, counts, both: overlap?.both, characters, maxRSS }));
