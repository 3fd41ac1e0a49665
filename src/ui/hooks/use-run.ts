import { useSyncExternalStore } from 'react';
import type { UiModel } from '../model.js';
import type { RunStore } from '../run-store.js';

/** What the UI shows now; draws again when it changes. */
export function useRun(store: RunStore): UiModel {
  return useSyncExternalStore(store.subscribe, store.get);
}
