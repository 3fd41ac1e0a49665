import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';

/** A node or relationship as it was read; properties as [name, text of the value], in order of the names. */
export type SpoolRecord =
  | { kind: 'node'; key: string; digest: string; labels: string[]; properties: [string, string][] }
  | {
      kind: 'relationship';
      digest: string;
      source: string;
      type: string;
      target: string;
      properties: [string, string][];
    };

/** Everything that was read of a graph, in a compressed file of its own folder under the temporary one. */
export class Spool {
  readonly #gzip = createGzip({ level: 1 });
  readonly #done: Promise<void>;
  #text = '';

  private constructor(private readonly folder: string) {
    const file = createWriteStream(this.#path, { mode: 0o600 });
    file.on('error', (error) => this.#gzip.destroy(error));
    this.#done = finished(this.#gzip.pipe(file));
    this.#done.catch(() => undefined);
  }

  static async create(): Promise<Spool> {
    return new Spool(await mkdtemp(join(tmpdir(), 'lifeboat-compare-')));
  }

  get #path(): string {
    return join(this.folder, 'graph.ndjson.gz');
  }

  async write(record: SpoolRecord): Promise<void> {
    this.#text += `${JSON.stringify(record)}\n`;
    if (this.#text.length < 64 * 1024) return;
    const chunk = this.#text;
    this.#text = '';
    if (!this.#gzip.write(chunk)) await Promise.race([once(this.#gzip, 'drain'), this.#done]);
  }

  async finish(): Promise<void> {
    this.#gzip.end(this.#text);
    await this.#done;
  }

  async *records(): AsyncGenerator<SpoolRecord> {
    // Not with readline: it also ends a line at U+2028, which JSON leaves in its strings.
    const file = createReadStream(this.#path);
    const input = file.pipe(createGunzip()).setEncoding('utf8');
    file.on('error', (error) => input.destroy(error));
    let rest = '';
    for await (const chunk of input as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line) as SpoolRecord;
    }
  }

  async remove(): Promise<void> {
    this.#gzip.destroy();
    await this.#done.catch(() => undefined);
    await rm(this.folder, { recursive: true, force: true });
  }
}
