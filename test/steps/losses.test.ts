import { describe, expect, it } from 'vitest';

import { stateOf } from '../../src/recovery/run-state.js';
import type { TimedEntry } from '../../src/recovery/journal.js';
import { emptyWork } from '../../src/steps/step.js';
import { takeBackLoss, tellLoss, tellLossOnce } from '../../src/steps/vectors/losses.js';

describe('what is told as lost', () => {
  it('is journalled before it counts', () => {
    const seen: unknown[] = [];
    const work = emptyWork((losses) => seen.push([losses, work.losses]));
    tellLoss(work, 'points', '3 points are gone');
    tellLossOnce(work, 'the map is gone');
    tellLossOnce(work, 'the map is gone');
    tellLoss(work, 'points', '5 points are gone');
    takeBackLoss(work, 'map');
    takeBackLoss(work, 'map');
    expect(seen).toEqual([
      [['3 points are gone'], []],
      [['3 points are gone', 'the map is gone'], ['3 points are gone']],
      [
        ['the map is gone', '5 points are gone'],
        ['3 points are gone', 'the map is gone'],
      ],
      [['5 points are gone'], ['the map is gone', '5 points are gone']],
    ]);
  });

  it('does not count where it cannot be journalled: the step fails instead', () => {
    const work = emptyWork(() => {
      throw new Error('no space left');
    });
    expect(() => tellLoss(work, 'points', '3 points are gone')).toThrow('no space left');
    expect(work.losses).toEqual([]);
  });

  it('is what the last word of the journal says, of a step that was done or of one that was not', () => {
    const time = '2026-11-01T10:00:00.000Z';
    const run = { run: 'r', command: 'repair', version: '0', request: {}, options: {}, stores: {} };
    const step = { entry: 'step', step: 'embed-missing', phase: 'done', time };
    const losses = (...entries: object[]): string[] =>
      stateOf('', [{ entry: 'run', ...run, time }, ...entries] as unknown as TimedEntry[]).losses;
    const told = { entry: 'losses', losses: ['one', 'two'], time };
    expect(losses(told)).toEqual(['one', 'two']);
    expect(losses(told, { ...step, work: { losses: ['two'] } })).toEqual(['two']);
    expect(losses({ ...step, work: { losses: ['two'] } }, { ...told, losses: [] })).toEqual([]);
    expect(losses({ ...step, work: {} })).toEqual([]);
  });
});
