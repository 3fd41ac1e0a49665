/**
 * A process of its own that writes a file into an archive, says so on stdout, and waits to be killed.
 *
 *     node --import tsx archive-child.ts PATH BYTES FOLDER_OR_PLACE [commit]
 *
 * The place is JSON. With "commit", it commits and says what came of it.
 */
import { Failure } from '../../src/failure.js';
import { writableLocalArchive } from '../../src/stores/archive/local-writer.js';
import type { S3Place } from '../../src/stores/archive/s3-client.js';
import { writableS3Archive } from '../../src/stores/archive/s3-writer.js';

const [path = '', bytes = '', where = '', end = ''] = process.argv.slice(2);
const archive = where.startsWith('{')
  ? writableS3Archive(JSON.parse(where) as S3Place)
  : writableLocalArchive(where);
try {
  const file = await archive.create(path);
  await file.write(Buffer.alloc(Number(bytes), 1));
  if (end === 'commit') await file.commit();
  process.stdout.write('written\n');
} catch (error) {
  process.stdout.write(error instanceof Failure ? `${error.code}: ${error.hint}\n` : `${String(error)}\n`);
}
setInterval(() => undefined, 1000);
