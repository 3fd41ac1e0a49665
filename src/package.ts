import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './sandbox/package-root.js';

/** The facts of package.json that Lifeboat says of itself. */
export function readPackage(): { name: string; version: string } {
  return JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    name: string;
    version: string;
  };
}
