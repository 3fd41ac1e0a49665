import type { Emit, Phase } from '../../recovery/events.js';

/** Tells when each phase begins and ends, once each. */
export class PhaseClock {
  private current: { phase: Phase; since: number } | null = null;

  constructor(private readonly emit: Emit) {}

  enter(phase: Phase): void {
    if (this.current?.phase === phase) return;
    this.leave();
    this.current = { phase, since: performance.now() };
    this.emit({ type: 'phase.started', phase });
  }

  leave(): void {
    if (this.current === null) return;
    const { phase, since } = this.current;
    this.current = null;
    this.emit({ type: 'phase.finished', phase, seconds: (performance.now() - since) / 1000 });
  }
}
