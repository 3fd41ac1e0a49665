/**
 * Does something for each item, so many at a time, and gives the results in the order of the items.
 *
 * @throws the first error; what is under way then ends first, and nothing else is begun
 */
export async function mapAtMost<T, R>(
  items: readonly T[],
  atATime: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const failed: unknown[] = [];
  const waiting = items.entries();
  const worker = async (): Promise<void> => {
    // All workers take from the same iterator.
    for (const [index, item] of waiting) {
      if (failed.length > 0) return;
      try {
        results[index] = await work(item);
      } catch (error) {
        failed.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atATime, items.length) }, worker));
  if (failed.length > 0) throw failed[0];
  return results;
}
