import { Readable } from 'node:stream';
import type { Transferable } from 'node:worker_threads';
import { Failure, type FailureFacts } from '../../failure.js';
import type { Archive, ByteRange } from '../../stores/archive/archive.js';

/** What the thread that reads asks for. */
export type ArchiveRequest =
  | { kind: 'open'; stream: number; path: string; range: ByteRange | undefined; version: string | undefined }
  | { kind: 'more'; stream: number }
  | { kind: 'close'; stream: number };

/** What it is answered: a piece of the stream, its end, or why there is none. */
export type ArchiveAnswer =
  | { kind: 'chunk'; stream: number; chunk: Uint8Array<ArrayBuffer> | null }
  | { kind: 'failed'; stream: number; failure: FailureFacts };

type Post = (answer: ArchiveAnswer, moved: Transferable[]) => void;

/** The side of the archive. One chunk is on its way at a time, so that a slow reader fills no memory. */
export class ArchiveServer {
  /** Rejects with whatever the archive throws that is no Failure. */
  readonly broken: Promise<never>;
  /** The last one that was handed on. */
  failure: Failure | null = null;
  private readonly breaking = Promise.withResolvers<never>();
  private readonly streams = new Map<number, Promise<{ source: Readable; chunks: AsyncIterator<Buffer> }>>();

  constructor(
    private readonly archive: Archive,
    private readonly post: Post,
  ) {
    this.broken = this.breaking.promise;
    // Whoever has stopped listening has heard of something worse.
    this.broken.catch(() => undefined);
  }

  take(request: ArchiveRequest): void {
    const { stream } = request;
    const taken =
      request.kind === 'open'
        ? this.open(request)
        : request.kind === 'more'
          ? this.more(stream)
          : this.end(stream);
    taken.catch((error: unknown) => this.fail(stream, error));
  }

  close(): void {
    for (const stream of this.streams.keys()) this.end(stream).catch(() => undefined);
  }

  private async open({ stream, path, range, version }: ArchiveRequest & { kind: 'open' }): Promise<void> {
    const opened = this.archive.open(path, range, version).then((source) => ({
      source,
      chunks: source[Symbol.asyncIterator]() as AsyncIterator<Buffer>,
    }));
    this.streams.set(stream, opened);
    await opened;
  }

  private async more(stream: number): Promise<void> {
    const opened = await this.streams.get(stream);
    const next = await opened?.chunks.next();
    if (next === undefined || next.done === true) {
      this.post({ kind: 'chunk', stream, chunk: null }, []);
      return;
    }
    // Chunks may be parts of a larger buffer, which is not ours to give away.
    const chunk = new Uint8Array(next.value);
    this.post({ kind: 'chunk', stream, chunk }, [chunk.buffer]);
  }

  private async end(stream: number): Promise<void> {
    const opened = await this.streams.get(stream);
    this.streams.delete(stream);
    opened?.source.destroy();
  }

  private fail(stream: number, error: unknown): void {
    if (!(error instanceof Failure)) {
      this.breaking.reject(error);
      return;
    }
    this.failure = error;
    this.post({ kind: 'failed', stream, failure: factsOf(error) }, []);
  }
}

/** The side of the reader: an archive whose files lie with another thread. */
export class PortArchive implements Archive {
  private readonly waiting = new Map<number, (answer: ArchiveAnswer) => void>();
  private streams = 0;

  constructor(
    readonly place: string,
    private readonly post: (request: ArchiveRequest) => void,
  ) {}

  /** To be called with what the other side answers. */
  take(answer: ArchiveAnswer): void {
    this.waiting.get(answer.stream)?.(answer);
  }

  list: Archive['list'] = () => Promise.reject(new Error('only single files are read over a port'));

  open: Archive['open'] = (path, range, version) => {
    const stream = ++this.streams;
    const readable = new Readable({
      read: () => this.post({ kind: 'more', stream }),
      destroy: (error, done) => {
        this.waiting.delete(stream);
        this.post({ kind: 'close', stream });
        done(error);
      },
    });
    this.waiting.set(stream, (answer) => {
      if (answer.kind === 'failed') readable.destroy(new Failure(answer.failure));
      else readable.push(answer.chunk === null ? null : Buffer.from(answer.chunk.buffer));
    });
    this.post({ kind: 'open', stream, path, range, version });
    return Promise.resolve(readable);
  };
}

/** What a Failure is made of, as plain data. */
export function factsOf({ operation, subject, reason, hint, exitCode, code }: Failure): FailureFacts {
  return { operation, subject, reason, hint, exitCode, code };
}
