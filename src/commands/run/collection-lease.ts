import { join } from 'node:path';
import { acquireLease, type Lease, type LeaseOptions } from '../../recovery/lease.js';
import type { Settings } from '../../settings/settings.js';
import { fileLease } from '../../stores/lease/file-lease.js';
import { leaseName, type LeaseStore } from '../../stores/lease/lease-store.js';

/** Leases of collections that this process holds, by run and place. */
const held = new Map<string, { lease: Promise<Lease>; users: number }>();

/**
 * Takes the lease of the collection, of which the lease on the graph server knows nothing: two graphs may share it. It is
 * a file of this machine, so that runs on other machines, or with another state folder or another address of the same
 * Qdrant, are not seen.
 *
 * A run that moves its lease holds two for a moment; both share this one.
 *
 * @returns what is released once by each that took it
 * @throws Failure (exit 11) where another run holds it
 */
export async function shareCollectionLease(
  settings: Settings,
  options: Omit<LeaseOptions, 'stores'>,
): Promise<Pick<Lease, 'lost' | 'hold' | 'confirmedAt' | 'release'>> {
  const store = collectionPlace(settings);
  const key = `${options.run}\0${store.place}`;
  const shared = held.get(key) ?? { lease: acquireLease({ ...options, stores: [store] }), users: 0 };
  held.set(key, shared);
  shared.users++;
  const leave = async (): Promise<void> => {
    if (--shared.users > 0) return;
    held.delete(key);
    await (await shared.lease).release();
  };
  const lease = await shared.lease.catch((error: unknown) => {
    held.delete(key);
    throw error;
  });
  return {
    lost: lease.lost,
    hold: () => lease.hold(),
    get confirmedAt() {
      return lease.confirmedAt;
    },
    release: leave,
  };
}

/** Where the lease of the collection is kept. */
export function collectionPlace({ vectors, folders }: Settings): LeaseStore {
  return fileLease(join(folders.state, 'leases'), leaseName(['collection', vectors.url, vectors.collection]));
}
