import type { Emit, RunEvent, TimedEvent } from './events.js';

export type Listener = (event: TimedEvent) => void;

/** Hands every event of a run to all who listen, in order; late listeners get what was said before them first. */
export class EventBus {
  private readonly listeners = new Set<Listener>();
  private readonly said: TimedEvent[] = [];
  /** Said by a listener while another event was on its way; its turn comes once everybody has heard that one. */
  private readonly waiting: TimedEvent[] = [];
  private isHanding = false;

  constructor(private readonly now: () => Date = () => new Date()) {}

  readonly emit: Emit = (event: RunEvent) => {
    this.waiting.push({ ...event, time: this.now().toISOString() });
    if (this.isHanding) return;
    this.isHanding = true;
    try {
      for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) this.hand(next);
    } finally {
      this.isHanding = false;
    }
  };

  private hand(event: TimedEvent): void {
    // Progress and single records are many and soon stale: late listeners do without them.
    if (!TRANSIENT.has(event.type)) this.said.push(event);
    // Who joins now has heard it already as something said before; who left hears it no more.
    for (const listener of [...this.listeners]) if (this.listeners.has(listener)) listener(event);
  }

  subscribe(listener: Listener): () => void {
    for (const event of this.said) listener(event);
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

const TRANSIENT = new Set<RunEvent['type']>(['step.progress', 'salvage', 'quarantine']);
