import { describe, expect, it } from 'vitest';
import {
  formatAge,
  formatBytes,
  formatClock,
  formatCount,
  formatDuration,
  formatNumberOf,
  formatPercent,
  formatRate,
  percentOf,
  secondsBetween,
} from '../../src/report/format.js';
import {
  oneLine,
  printable,
  printableDeep,
  textWidth,
  truncateText,
  wrapText,
} from '../../src/report/text.js';

describe('numbers', () => {
  it.each([
    [0, '0s'],
    [0.42, '0.4s'],
    [0.97, '1s'],
    [9.4, '9s'],
    [59.6, '1m'],
    [83, '1m23'],
    [900, '15m'],
    [3599.7, '1h'],
    [15_120, '4h12'],
    [86_400, '24h'],
    [3_024_000, '35d'],
    [273_600, '3d 4h'],
    [-5, '0s'],
    [Number.NaN, '0s'],
  ])('a duration of %d seconds is %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it.each([
    [0, '0:00'],
    [12.9, '0:12'],
    [300, '5:00'],
    [3723, '1:02:03'],
  ])('a clock at %d seconds shows %s', (seconds, text) => {
    expect(formatClock(seconds)).toBe(text);
  });

  it('separates thousands and names what is counted', () => {
    expect([0, 999, 1000, 12_400, 1_234_567, -1000].map(formatCount)).toEqual([
      '0',
      '999',
      '1,000',
      '12,400',
      '1,234,567',
      '-1,000',
    ]);
    expect(formatNumberOf(1, 'memory', 'memories')).toBe('1 memory');
    expect(formatNumberOf(2400, 'memory', 'memories')).toBe('2,400 memories');
  });

  it('shows sizes, rates, ages and shares', () => {
    expect([0, 999, 1200, 81_000_000, 999_600].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '1.2 kB',
      '81 MB',
      '1.0 MB',
    ]);
    expect([0, 0.8, 3100].map(formatRate)).toEqual(['0/s', '0.8/s', '3,100/s']);
    expect([0, 15_120, -60, Number.NaN].map(formatAge)).toEqual([
      'just now',
      '4h12 ago',
      'dated in the future',
      'at an unknown time',
    ]);
    expect([percentOf(999, 1000), percentOf(1000, 1000), percentOf(5, null), percentOf(0, 0)]).toEqual([
      99,
      100,
      null,
      100,
    ]);
    expect(secondsBetween('2026-11-21T03:00:00Z', '2026-11-21T04:00:00Z')).toBe(3600);
  });

  it('shares: only nothing is 0%, and only all of it is 100%', () => {
    const said = [0, 0.04, 0.1, 3.24, 60, 99.94, 100].map(formatPercent);
    expect(said).toEqual(['0%', '<0.1%', '0.1%', '3.2%', '60%', '>99.9%', '100%']);
  });
});

describe('text for a terminal', () => {
  it('makes every control character visible, also deep inside', () => {
    expect(printable('a\u001B[3Jb\u0007\u202Ec\td\r\ne')).toBe('a\\u001b[3Jb\\u0007\\u202ec d\ne');
    expect(printableDeep({ a: ['\u001B'], b: { '\u0000': 1 }, c: null })).toEqual({
      a: ['\\u001b'],
      b: { '\\u0000': 1 },
      c: null,
    });
    expect(oneLine('one\n  two \n')).toBe('one two');
  });

  it('counts columns, not characters', () => {
    expect([
      textWidth('abc'),
      textWidth('日本'),
      textWidth('e\u0301'),
      textWidth('✓ ok'),
      textWidth('🛟'),
    ]).toEqual([3, 4, 1, 4, 2]);
  });

  it('truncates with an ellipsis', () => {
    expect(truncateText('rebuild-graph', 8)).toBe('rebuild…');
    expect(truncateText('日本語', 4)).toBe('日…');
    expect(truncateText('fits', 4)).toBe('fits');
  });

  it('wraps at spaces, and inside a word that is too long, and always ends', () => {
    expect(wrapText('the graph is lost', 9)).toEqual(['the graph', 'is lost']);
    expect(wrapText('a/very/long/path', 6)).toEqual(['a/very', '/long/', 'path']);
    expect(wrapText('日本語', 1)).toEqual(['日', '本', '語']);
    expect(wrapText('one\ntwo', 10)).toEqual(['one', 'two']);
  });
});
