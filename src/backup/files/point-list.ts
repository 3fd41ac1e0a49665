import { printPythonJson } from '../../memory/json.js';
import { isMap } from '../../memory/values.js';
import type { BadPoint, FilePoint } from './point-record.js';
import { readVectorsFile } from './vectors-file.js';

/** Text is handed on in pieces of about this many characters. */
const PIECE = 256 * 1024;

/**
 * Rewrites the form that AutoMem's public documentation shows, a bare list of points, as the object that AutoMem writes, so
 * that everything that reads backups can read it. A point without an id gets `memory_id` of its payload for it, a payload
 * without a `timestamp` its `created_at`; nothing else changes, and points that cannot be restored stay as they are.
 *
 * @param file for messages
 * @param timestamp `YYYYMMDD_HHMMSS` for the object
 * @throws Failure when it is not JSON or cut short
 */
export async function* rewritePointList(
  file: string,
  chunks: AsyncIterable<Buffer>,
  timestamp: string,
): AsyncGenerator<string> {
  let points = 0;
  let piece = `{"timestamp":${JSON.stringify(timestamp)},"points":[`;
  for await (const part of readVectorsFile(file, chunks, { bareList: true, idInPayload: true })) {
    if (part.kind === 'field') continue;
    for (const text of [...part.points.map(goodPoint), ...part.bad.map(badPoint)]) {
      piece += points++ === 0 ? text : `,${text}`;
      if (piece.length < PIECE) continue;
      yield piece;
      piece = '';
    }
  }
  yield `${piece}],"stats":{"points_count":${points}}}`;
}

function goodPoint({ id, vector, payload }: FilePoint): string {
  const idText = typeof id === 'string' ? JSON.stringify(id) : String(id);
  return `{"id":${idText},"vector":${vector.text},"payload":${withTimestamp(payload)}}`;
}

function badPoint({ record }: BadPoint): string {
  return printPythonJson(record);
}

function withTimestamp(payload: FilePoint['payload']): string {
  const { text } = payload;
  if (!text.includes('"created_at"')) return text;
  const value = payload.value();
  if (!isMap(value) || typeof value['created_at'] !== 'string' || typeof value['timestamp'] === 'string')
    return text;
  // Last, so that it counts where there is a timestamp that is null.
  return `${text.slice(0, -1)},"timestamp":${JSON.stringify(value['created_at'])}}`;
}
