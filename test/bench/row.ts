/** One row of the result, as `--json FILE` writes it. */
export interface BenchRow {
  name: string;
  memories: number;
  dim: number;
  /** What the engines need for the same data, read and written with nothing in between. */
  floorSeconds: number;
  /** The whole Lifeboat process, start to exit. */
  seconds: number;
  ratio: number;
  peakRssMb: number;
}
