import type { Emit, RunEvent, TimedEvent } from './events.js';

export type Listener = (event: TimedEvent) => void;

/** Hands every event of a run to all who listen, in order; late listeners get what was said before them first. */
export class EventBus {
  private readonly listeners = new Set<Listener>();
  private readonly said: TimedEvent[] = [];

  constructor(private readonly now: () => Date = () => new Date()) {}

  readonly emit: Emit = (event: RunEvent) => {
    const timed: TimedEvent = { ...event, time: this.now().toISOString() };
    // Progress and single records are many and soon stale: late listeners do without them.
    if (!TRANSIENT.has(event.type)) this.said.push(timed);
    for (const listener of this.listeners) listener(timed);
  };

  subscribe(listener: Listener): () => void {
    for (const event of this.said) listener(event);
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

const TRANSIENT = new Set<RunEvent['type']>(['step.progress', 'salvage', 'quarantine']);
