import { parentPort, workerData } from 'node:worker_threads';
import { readGraphHalf } from './graph-half.js';
import type { GraphHalfNews, GraphHalfTask } from './graph-half-thread.js';
import { factsOf, PortArchive, type ArchiveAnswer, type ArchiveRequest } from './port-archive.js';

const port = parentPort;
if (port === null) throw new Error('this file is run by a thread');

const { file, place, excludedTypes, contents } = workerData as GraphHalfTask;
const archive = new PortArchive(place, (request: ArchiveRequest) => port.postMessage(request));
port.on('message', (answer: ArchiveAnswer) => archive.take(answer));

const { failure, ...half } = await readGraphHalf(archive, file, {
  excludedTypes: new Set(excludedTypes),
  contents,
  onBytes: (bytes) => port.postMessage({ kind: 'bytes', bytes } satisfies GraphHalfNews),
});
const { words, slots } = half.memoryIds;
port.postMessage(
  { kind: 'done', half, failure: failure === null ? null : factsOf(failure) } satisfies GraphHalfNews,
  [words.buffer, slots.buffer, half.eligible.buffer],
);
