import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const CHILD = fileURLToPath(new URL('writer-child.ts', import.meta.url));

/** Another process that has a store open. */
export class OtherProcess {
  private constructor(
    private readonly child: ChildProcessWithoutNullStreams,
    private readonly lines: AsyncIterator<string>,
    private readonly reader: Interface,
  ) {}

  /** @param mode `write`: a memory about each millisecond; `idle`: it has it open and does nothing */
  static async open(path: string, mode: 'write' | 'idle'): Promise<OtherProcess> {
    const child = spawn(process.execPath, ['--import', 'tsx', CHILD, path, mode], { stdio: 'pipe' });
    child.stderr.pipe(process.stderr);
    const reader = createInterface({ input: child.stdout });
    const lines = reader[Symbol.asyncIterator]();
    const { value } = (await lines.next()) as { value: unknown };
    if (value !== 'ready') throw new Error(`the writer says ${String(value)}`);
    return new OtherProcess(child, lines, reader);
  }

  /** @returns how many memories it wrote */
  async stop(): Promise<number> {
    this.child.stdin.write('stop\n');
    const { value } = (await this.lines.next()) as { value: unknown };
    this.reader.close();
    return Number(/\d+/.exec(String(value))?.[0]);
  }
}
