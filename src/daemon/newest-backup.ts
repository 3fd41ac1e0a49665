import type { Clock } from './clock.js';
import type { DaemonState } from './state.js';

/** A backup that could be restored, as far as a listing tells. */
export interface NewestBackup {
  /** When it was taken; ISO-8601. */
  at: string;
  /** Of its files; null where that is not known. */
  bytes: number | null;
}

/** What a look at the places of the backups found. */
export interface BackupsSeen {
  /** Null where there is none. */
  newest: NewestBackup | null;
  /** False where some place could not be read: a newer one may lie there. */
  whole: boolean;
}

/** What was found is believed for so long; each look lists every place. */
const BELIEVED_MS = 60_000;
/** Whoever scrapes does not wait longer for a slow bucket, and gets what was known before. */
const SCRAPE_WAIT_MS = 3_000;

/**
 * Knows the newest backup, whoever made it: also those of `lifeboat backup create`, of AutoMem, and of the time before the
 * daemon's first start.
 */
export class BackupWatch {
  private seen: (BackupsSeen & { at: Date }) | null = null;
  private looking: Promise<void> | null = null;

  constructor(
    private readonly list: () => Promise<BackupsSeen>,
    private readonly clock: Clock,
  ) {}

  /** Looks anew. Never rejects: where a look fails, what was seen before is what is known. */
  look(): Promise<void> {
    const at = this.clock.now();
    this.looking ??= this.list()
      .then((seen) => void (this.seen = { ...seen, at }))
      .catch(() => undefined)
      .finally(() => (this.looking = null));
    return this.looking;
  }

  /** Looks where the last look is too old, and waits a little for it. */
  async refresh(): Promise<void> {
    const { seen } = this;
    const ageMs = seen === null ? Infinity : Math.abs(this.clock.now().getTime() - seen.at.getTime());
    if (ageMs < BELIEVED_MS && this.looking === null) return;
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => (timer = setTimeout(resolve, SCRAPE_WAIT_MS)));
    await Promise.race([this.look(), enough]);
    clearTimeout(timer);
  }

  /**
   * The newest of what was seen and of what the daemon itself has done. What it did before a look that saw everything
   * counts no more: it was seen, or somebody has removed it.
   */
  newest({ jobs: { backup } }: Pick<DaemonState, 'jobs'>): NewestBackup | null {
    const { seen } = this;
    const { lastSuccess, bytes } = backup;
    const isSeen =
      seen?.whole === true && lastSuccess !== null && Date.parse(lastSuccess) <= seen.at.getTime();
    const own = lastSuccess === null || isSeen ? null : { at: lastSuccess, bytes };
    const found = seen?.newest ?? null;
    if (own === null || found === null) return own ?? found;
    return Date.parse(found.at) > Date.parse(own.at) ? found : own;
  }
}
