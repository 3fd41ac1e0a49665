import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The folder of Lifeboat's own package.json. The code runs from `src/` and from `dist/`, and files that are not
 * compiled (the Qdrant server, recovery plans) are found from here.
 *
 * @returns an absolute path
 */
export function packageRoot(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    if (isLifeboat(join(folder, 'package.json'))) return folder;
    if (folder === dirname(folder))
      throw new Error(`No package.json of lifeboat above ${import.meta.dirname}`);
  }
}

function isLifeboat(file: string): boolean {
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return (
      typeof content === 'object' && content !== null && 'name' in content && content.name === 'lifeboat'
    );
  } catch {
    return false; // Not there, or somebody else's broken file: the search goes on above it.
  }
}
