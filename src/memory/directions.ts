/**
 * Fills `values` with uniform numbers in [-1, 1) from mulberry32 (Tommy Ettinger), and returns it. The same seed always
 * gives the same numbers. The hot loop of made-up vectors, so written out.
 *
 * @param seed a 32-bit integer.
 */
export function fillWithNoise(seed: number, values: Float64Array): Float64Array {
  let state = seed | 0;
  for (let index = 0; index < values.length; index++) {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    values[index] = ((t ^ (t >>> 14)) >>> 0) / 2147483648 - 1;
  }
  return values;
}

/**
 * The same direction, of length 1, in whole multiples of 1e-7: floats of 32 bits lie at most 6e-8 apart below 1, so a
 * store that keeps such floats prints the very digits that were written, and the two can be compared as text.
 * Null where the values have no length.
 */
export function unitVector(values: Float64Array): number[] | null {
  let squares = 0;
  for (const value of values) squares += value * value;
  if (squares === 0) return null;
  const scale = 1e7 / Math.sqrt(squares);
  const result = new Array<number>(values.length);
  // "+ 0" turns the -0 of a small negative number into 0.
  for (let index = 0; index < values.length; index++) {
    result[index] = Math.round((values[index] ?? 0) * scale) / 1e7 + 0;
  }
  return result;
}
