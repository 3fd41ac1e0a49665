import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { closest } from '../../src/settings/closest.js';
import { parseConfig } from '../../src/settings/config-text.js';
import { formatDuration, parseDuration } from '../../src/settings/duration.js';

describe('parseConfig', () => {
  it('reads every section', () => {
    const { config, lines } = parseConfig(`# Lifeboat
objectives:
  rto: 15m
  rpo: 24h
retention: { keepLast: 5, keepDaily: 7, keepWeekly: 0, keepMonthly: 12 }
alerts:
  severity: problem
  after: 5m
  repeat: 1d
`);
    expect(config).toEqual({
      objectives: { rto: 900, rpo: 86_400 },
      retention: { keepLast: 5, keepDaily: 7, keepWeekly: 0, keepMonthly: 12 },
      alerts: { severity: 'problem', after: 300, repeat: 86_400 },
    });
    expect(lines.get('objectives.rpo')).toBe(4);
    expect(lines.get('retention.keepDaily')).toBe(5);
  });

  it('reads every rule and limit of retention', () => {
    const { config } = parseConfig(`retention:
  keepWithin: 2d
  keepHourly: 6
  keepYearly: 3
  maxCount: 40
  maxAge: 90d
  minimum: 2
`);
    expect(config.retention).toEqual({
      keepWithin: 172_800,
      keepHourly: 6,
      keepYearly: 3,
      maxCount: 40,
      maxAge: 7_776_000,
      minimum: 2,
    });
  });

  it.each(['', '# only a comment\n', '---\n', 'objectives: {}\n'])('takes %j for no settings', (text) => {
    const { config } = parseConfig(text);
    expect(JSON.stringify(config)).toMatch(/^\{(?:"objectives":\{\})?\}$/);
  });

  it.each([
    [
      'objectives:\n  rtp: 15m\n',
      'lifeboat.config.yaml:2:3: "objectives.rtp" is not a setting; did you mean "rto"?',
    ],
    [
      'Objective:\n  rto: 15m\n',
      'lifeboat.config.yaml:1:1: "Objective" is not a setting; did you mean "objectives"?',
    ],
    [
      'retention:\n  keep-last: 3\n',
      'lifeboat.config.yaml:2:3: "retention.keep-last" is not a setting; did you mean "keepLast"?',
    ],
    [
      'x: 1\n',
      'lifeboat.config.yaml:1:1: "x" is not a setting; known here: objectives, retention, backup, schedule, limits, prices, alerts',
    ],
    [
      'objectives:\n  rto: 15\n',
      'lifeboat.config.yaml:2:8: "objectives.rto" should be a duration such as 90s, 15m',
    ],
    [
      'objectives:\n  rto: soon\n',
      'lifeboat.config.yaml:2:8: "objectives.rto" should be a duration such as 90s, 15m',
    ],
    ['objectives: 15m\n', 'lifeboat.config.yaml:1:13: "objectives" should be a mapping'],
    ['objectives:\n', '"objectives" should be a mapping'],
    [
      'retention:\n  keepLast: 0\n',
      'lifeboat.config.yaml:2:13: "retention.keepLast" should be a whole number above 0',
    ],
    ['retention:\n  minimum: 0\n', '"retention.minimum" should be a whole number above 0'],
    ['retention:\n  maxCount: 0\n', '"retention.maxCount" should be a whole number above 0'],
    ['retention:\n  maxAge: 90\n', '"retention.maxAge" should be a duration such as 90s, 15m'],
    [
      'retention:\n  keepDaily: 1.5\n',
      'lifeboat.config.yaml:2:14: "retention.keepDaily" should be a whole number, 0 or above',
    ],
    [
      'alerts:\n  severity: loud\n',
      'lifeboat.config.yaml:2:13: "alerts.severity" should be warning or problem',
    ],
    ['- a\n', 'lifeboat.config.yaml:1:1: the file should be a mapping'],
    ['objectives:\n  rto: 15m\n rpo: 1h\n', 'lifeboat.config.yaml:3:'],
    ['objectives:\n  rto: 15m\n  rto: 16m\n', 'lifeboat.config.yaml:3:3: Map keys must be unique'],
    ['objectives: "open\n', 'lifeboat.config.yaml:'],
  ])('says what is wrong with %j', (text, message) => {
    let thrown: unknown;
    try {
      parseConfig(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ name: 'Failure', exitCode: 2, subject: 'lifeboat.config.yaml' });
    expect((thrown as { reason: string }).reason).toContain(message);
  });

  it('names everything that is wrong at once', () => {
    expect(() => parseConfig('objectives:\n  rto: x\nalerts:\n  after: y\nz: 1\n')).toThrow(
      /:2:8.*:4:10.*:5:1/,
    );
  });
});

describe('durations', () => {
  it.each([
    ['90s', 90],
    ['15m', 900],
    ['1h30m', 5400],
    ['24h', 86_400],
    ['7d', 604_800],
    ['2w', 1_209_600],
    [' 1.5H ', 5400],
    ['0s', null],
    ['15', null],
    ['', null],
    ['m15', null],
    ['15 m', null],
    ['-5m', null],
    ['1e3s', null],
  ])('%j is %j seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it('are read back as they are printed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), (seconds) => {
        expect(parseDuration(formatDuration(seconds))).toBe(seconds);
      }),
    );
  });
});

describe('closest', () => {
  it('finds a word that a slip of the fingers made, and no other', () => {
    const known = ['objectives', 'retention', 'alerts'];
    expect(closest('objctives', known)).toBe('objectives');
    expect(closest('alrets', known)).toBe('alerts');
    expect(closest('retain', known)).toBeNull();
    expect(closest('zzz', known)).toBeNull();
    expect(closest('', known)).toBeNull();
  });
});
