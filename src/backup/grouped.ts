/** A count for people: "6,507". */
export function grouped(count: number): string {
  return count.toLocaleString('en-US');
}
