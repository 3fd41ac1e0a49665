import { readFileHeader } from './file-header.js';
import { requireMemoryStore } from './memory-store.js';
import { SqliteFile } from './sqlite-file.js';

/**
 * Opens the SQLite store of MCP Memory Service.
 *
 * @param path absolute
 * @param access `read` leaves writers alone and never changes the file
 * @throws Failure with the reason why it is no such store: `sqlite-missing`, `sqlite-not-a-file`, `sqlite-denied`,
 *   `sqlite-empty`, `sqlite-truncated`, `sqlite-header-damaged`, `sqlite-not-sqlite`, `sqlite-encrypted`, `sqlite-locked`,
 *   `sqlite-corrupt`, `sqlite-other-schema`
 */
export async function openMemoryStore(path: string, access: 'read' | 'write' = 'read'): Promise<SqliteFile> {
  await readFileHeader(path);
  const file = access === 'read' ? SqliteFile.openToRead(path) : SqliteFile.openToWrite(path);
  try {
    requireMemoryStore(file);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}
