/** Items that wait once the consumer has begun: the source then works beside it, one item ahead. */
const STEADY = 1;

/**
 * Pulls from a source before its consumer begins, so that the source works while the consumer waits for something else.
 *
 * @param head how many items may wait until the consumer takes the first one. Once it has, the queue stays short: what
 *   waits long is moved to the old part of the heap and lingers there as garbage.
 */
export class ReadAhead<T> implements AsyncIterable<T> {
  private readonly queue: T[] = [];
  private limit: number;
  private ended = false;
  private failure: Error | null = null;
  private wakeConsumer: (() => void) | null = null;
  private wakeSource: (() => void) | null = null;

  constructor(source: AsyncIterable<T>, head: number) {
    this.limit = head;
    void this.pull(source);
  }

  private async pull(source: AsyncIterable<T>): Promise<void> {
    try {
      for await (const item of source) {
        this.queue.push(item);
        this.wakeConsumer?.();
        while (this.queue.length >= this.limit)
          await new Promise<void>((resolve) => (this.wakeSource = resolve));
      }
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
    }
    this.ended = true;
    this.wakeConsumer?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    this.limit = STEADY;
    for (;;) {
      const item = this.queue.shift();
      if (item !== undefined) {
        this.wakeSource?.();
        yield item;
      } else if (this.ended) {
        if (this.failure !== null) throw this.failure;
        return;
      } else await new Promise<void>((resolve) => (this.wakeConsumer = resolve));
    }
  }
}
