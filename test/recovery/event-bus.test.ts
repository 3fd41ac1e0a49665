import { describe, expect, it } from 'vitest';

import { EventBus } from '../../src/recovery/event-bus.js';
import type { RunEvent, TimedEvent } from '../../src/recovery/events.js';

const notice = (message: string): RunEvent => ({ type: 'notice', message });
const PROGRESS: RunEvent = {
  type: 'step.progress',
  step: 's',
  unit: 'nodes',
  done: 1,
  total: null,
  rate: 1,
  etaSeconds: null,
};
const SALVAGE: RunEvent = { type: 'salvage', id: 'a', field: 'tags', rule: 'split' };
const QUARANTINE: RunEvent = { type: 'quarantine', kind: 'memory', id: 'a', reason: 'no content' };

function busAt(time = '2026-11-21T12:00:00.000Z') {
  return new EventBus(() => new Date(time));
}
const texts = (events: TimedEvent[]): string[] =>
  events.map((event) => (event.type === 'notice' ? event.message : event.type));

describe('EventBus', () => {
  it('hands every event with its time to every listener, in order', () => {
    const bus = busAt();
    const first: TimedEvent[] = [];
    const second: TimedEvent[] = [];
    bus.subscribe((event) => first.push(event));
    bus.subscribe((event) => second.push(event));
    bus.emit(notice('a'));
    bus.emit(PROGRESS);
    bus.emit(notice('b'));
    expect(first).toEqual(second);
    expect(texts(first)).toEqual(['a', 'step.progress', 'b']);
    expect(first[0]).toEqual({ type: 'notice', message: 'a', time: '2026-11-21T12:00:00.000Z' });
  });

  it('tells late listeners first what was said before, but for what is many and soon stale', () => {
    const bus = busAt();
    for (const event of [notice('a'), PROGRESS, SALVAGE, QUARANTINE, notice('b')]) bus.emit(event);
    const late: TimedEvent[] = [];
    bus.subscribe((event) => late.push(event));
    for (const event of [QUARANTINE, notice('c')]) bus.emit(event);
    expect(texts(late)).toEqual(['a', 'b', 'quarantine', 'c']);
  });

  it('gives late listeners the time at which it was said', () => {
    let now = new Date('2026-11-21T12:00:00Z');
    const bus = new EventBus(() => now);
    bus.emit(notice('a'));
    now = new Date('2026-11-21T13:00:00Z');
    const late: TimedEvent[] = [];
    bus.subscribe((event) => late.push(event));
    expect(late[0]?.time).toBe('2026-11-21T12:00:00.000Z');
  });

  it('is silent to those who left, also while an event is on its way', () => {
    const bus = busAt();
    const heard: string[] = [];
    const leave = bus.subscribe((event) => {
      heard.push(...texts([event]));
      leave();
    });
    bus.subscribe((event) => heard.push(`second ${texts([event]).join()}`));
    bus.emit(notice('a'));
    bus.emit(notice('b'));
    expect(heard).toEqual(['a', 'second a', 'second b']);
    leave();
  });

  it('tells a listener that joins while an event is on its way of that event once', () => {
    const bus = busAt();
    const heard: TimedEvent[] = [];
    let joined = false;
    bus.subscribe(() => {
      if (!joined) bus.subscribe((event) => heard.push(event));
      joined = true;
    });
    bus.emit(notice('a'));
    bus.emit(notice('b'));
    expect(texts(heard)).toEqual(['a', 'b']);
  });

  it('takes an event as it is at that moment', () => {
    const bus = busAt();
    const heard: TimedEvent[] = [];
    bus.subscribe((event) => heard.push(event));
    const event = { type: 'notice' as const, message: 'a' };
    bus.emit(event);
    event.message = 'changed';
    expect(texts(heard)).toEqual(['a']);
  });

  it('keeps the order for everybody when a listener speaks itself', () => {
    const bus = busAt();
    const heard: TimedEvent[] = [];
    bus.subscribe((event) => {
      if (event.type === 'notice' && event.message === 'a') bus.emit(notice('answer to a'));
    });
    bus.subscribe((event) => heard.push(event));
    bus.emit(notice('a'));
    bus.emit(notice('b'));
    expect(texts(heard)).toEqual(['a', 'answer to a', 'b']);
  });
});
