import { describe, expect, it } from 'vitest';

import { mergeWithBackup } from '../../src/memory/merge.js';
import { Double, type Value, type ValueMap } from '../../src/memory/values.js';

const ID = '9c0bb0f4-0000-4000-8000-000000000001';
const PAYLOAD: ValueMap = {
  content: 'Chose PostgreSQL',
  tags: ['db'],
  importance: 0.8,
  timestamp: '2026-11-20T10:00:00+00:00',
  type: 'Decision',
  confidence: 0.9,
  metadata: { a: 1, b: { c: new Double(2) } },
  updated_at: '2026-11-20T10:00:00+00:00',
  last_accessed: '2026-11-20T10:00:00+00:00',
};
const BACKUP: ValueMap = {
  ...PAYLOAD,
  id: ID,
  tag_prefixes: ['odd but as it stood'],
  metadata: '{"b":{"c":2.0},   "a":1}',
  processed: true,
  enriched: true,
  summary: 'kept',
  protected: true,
};

const merge = (payload: Value, backup: ValueMap = BACKUP) => mergeWithBackup(ID, backup, payload);

describe('mergeWithBackup', () => {
  it('leaves an unchanged memory exactly as the graph had it', () => {
    expect(merge(PAYLOAD)).toEqual({ properties: BACKUP, changed: [], salvaged: [] });
  });

  it('does not take a last digit, a key order or 1 for 1.0 for a change', () => {
    const payload = {
      ...PAYLOAD,
      importance: 0.8000000000000002,
      metadata: { b: { c: 2 }, a: new Double(1) },
    };
    expect(merge(payload)).toEqual({ properties: BACKUP, changed: [], salvaged: [] });
  });

  it('takes what the payload says newly, and keeps what only the graph knew', () => {
    const payload = {
      ...PAYLOAD,
      importance: 0.3,
      metadata: { a: 2 },
      archived: true,
      relevance_score: 0.25,
    };
    const { properties, changed } = merge(payload);
    expect(changed).toEqual(['importance', 'metadata', 'relevance_score', 'archived']);
    expect(properties).toEqual({
      ...BACKUP,
      importance: 0.3,
      metadata: '{"a": 2}',
      archived: true,
      relevance_score: 0.25,
    });
  });

  it('computes the tag prefixes anew only where the tags changed', () => {
    const { properties, changed } = merge({ ...PAYLOAD, tags: ['db', 'X:Y'] });
    expect(changed).toEqual(['tags']);
    expect(properties).toMatchObject({
      tags: ['db', 'X:Y'],
      tag_prefixes: ['db', 'x', 'x:y'],
      processed: true,
    });
  });

  it('asks for new enrichment where the content changed', () => {
    const { properties, changed } = merge({ ...PAYLOAD, content: 'Chose SQLite' });
    expect(changed).toEqual(['content']);
    expect(properties).toEqual({ ...BACKUP, content: 'Chose SQLite', processed: false });
  });

  it('keeps a field that the payload does not provide', () => {
    const { content, timestamp } = PAYLOAD as { content: string; timestamp: string };
    expect(merge({ content, timestamp })).toEqual({ properties: BACKUP, changed: [], salvaged: [] });
  });

  it.each<[string, Value]>([
    ['type', 'str'],
    ['tags', 'db'],
    ['tags', [1]],
    ['importance', 'high'],
    ['metadata', 'not JSON'],
    ['content', 7],
    ['timestamp', { at: 1 }],
  ])('takes %s from the backup where the payload holds %j', (field, value) => {
    const { properties, changed, salvaged } = merge({ ...PAYLOAD, [field]: value });
    expect(properties).toEqual(BACKUP);
    expect(changed).toEqual([]);
    expect(salvaged).toEqual([{ field, rule: 'damaged in the payload: taken from the backup' }]);
  });

  it('does not call damage what the graph itself held in the same odd form', () => {
    const backup = { ...BACKUP, importance: 'high', type: 'str' };
    expect(merge({ ...PAYLOAD, importance: 'high', type: 'str' }, backup)).toEqual({
      properties: backup,
      changed: [],
      salvaged: [],
    });
  });

  it('reads what it can of a damaged field that the backup does not have', () => {
    const { properties, changed, salvaged } = merge({
      ...PAYLOAD,
      archived: 'true',
      relevance_score: 'none',
    });
    expect(properties).toEqual({ ...BACKUP, archived: true });
    expect(changed).toEqual(['archived']);
    expect(salvaged).toEqual([
      { field: 'relevance_score', rule: 'was the text "none": left out' },
      { field: 'archived', rule: 'was the text "true": read as a boolean' },
    ]);
  });

  it.each<[string, Value, string]>([
    ['null', null, 'the point has no payload: taken from the backup'],
    ['a list', [], 'the payload is a list, not an object: taken from the backup'],
    ['empty', {}, 'content is missing: there is nothing to rebuild the memory from: taken from the backup'],
  ])('falls back on the backup, and says so, where the payload is %s', (_, payload, rule) => {
    expect(merge(payload)).toEqual({
      properties: BACKUP,
      changed: [],
      salvaged: [{ field: 'payload', rule }],
    });
  });

  it.each([
    ['2026-11-20T09:59:59+00:00', false],
    ['2026-11-20T10:00:01+00:00', true],
    ['2026-11-20T12:00:00+02:00', false],
    ['2026-11-20T10:00:00.5+00:00', true],
    ['not a time', false],
  ])('keeps the later time of access, given %s', (last_accessed, isLater) => {
    const { properties, changed } = merge({ ...PAYLOAD, last_accessed });
    expect(properties['last_accessed']).toBe(isLater ? last_accessed : BACKUP['last_accessed']);
    expect(changed).toEqual([]);
  });

  it('changes neither the backup nor the payload that it was given', () => {
    const backup = structuredClone(BACKUP);
    merge({ ...PAYLOAD, content: 'new', tags: [] }, backup);
    expect(backup).toEqual(structuredClone(BACKUP));
  });
});
