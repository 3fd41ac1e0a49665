import type { IncomingMessage } from 'node:http';
import { z } from 'zod';

import { BACKUP_HALVES, BACKUP_PLACES, type BackupRequest } from '../jobs.js';
import { Refusal } from './answer.js';

/** Bytes. */
const MOST_BYTES = 16 * 1024;

const backupSchema = z.strictObject({
  to: z.enum(BACKUP_PLACES).nullable().default(null),
  only: z.enum(BACKUP_HALVES).nullable().default(null),
});

/**
 * What a caller asks of a backup; an empty body asks for nothing special.
 *
 * @throws Refusal 400, 413 or 415
 */
export async function readBackupRequest(request: IncomingMessage): Promise<BackupRequest> {
  const text = await readBody(request);
  if (text.trim() === '') return { to: null, only: null };
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json')
    throw new Refusal(415, 'not-json', 'Send the body as JSON, with "Content-Type: application/json".');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal(400, 'bad-json', 'The body is not JSON.');
  }
  const parsed = backupSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Refusal(
    400,
    'bad-request',
    `The body must be an object with nothing but "to" (${BACKUP_PLACES.join(', ')}) and "only" (${BACKUP_HALVES.join(', ')}), both optional.`,
  );
}

async function readBody(request: IncomingMessage): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > MOST_BYTES) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Left to itself, a loop that is left early takes the connection down before the answer is sent.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function tooLarge(): Refusal {
  return new Refusal(413, 'body-too-large', `The body must not be larger than ${MOST_BYTES / 1024} KiB.`, {
    connection: 'close',
  });
}
