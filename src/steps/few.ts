/** More than this part of all (and than a few) does not come or go one by one within a run. */
const PART = 0.05;
const FEW = 10;

/** Whether so many of all can be what a service at work deleted one by one. */
export function isFew(count: number, all: number): boolean {
  return count <= Math.max(FEW, all * PART);
}
