import { join } from 'node:path';
import { Failure } from '../../failure.js';
import { acquireLease, type Lease, type LeaseOptions } from '../../recovery/lease.js';
import type { Settings } from '../../settings/settings.js';
import { fileLease } from '../../stores/lease/file-lease.js';
import { leaseName, type HeldLease, type LeaseStore } from '../../stores/lease/lease-store.js';
import { redisLease } from '../../stores/lease/redis-lease.js';
import { s3Lease } from '../../stores/lease/s3-lease.js';
import { BetterPlaces } from './better-places.js';
import { collectionPlace, shareCollectionLease } from './collection-lease.js';
import { graphAddress } from './world.js';

/** A lease, and whether it is kept where the graph is: then the swap itself can be made to depend on it. */
export interface TakenLease extends Lease {
  readonly besideGraph: boolean;
}

type TakeOptions = Omit<LeaseOptions, 'stores'> & {
  /** For a run during which the graph server is stopped and started on other data. */
  awayFromGraph?: boolean;
};

/**
 * Takes the lease of the stores that the settings name: of the graph on the graph server, else in the bucket of the
 * backups, else in a file of this machine; and of the collection in a file of this machine, because another graph may
 * share it. A lease that is kept elsewhere than in the best place goes on looking there: a run that came through to it
 * ends this one at its next check.
 *
 * @throws Failure (exit 11) where another run holds either
 */
export async function takeLease(settings: Settings, options: TakeOptions): Promise<TakenLease> {
  const places = placesOf(settings);
  const stores = places.slice(options.awayFromGraph === true ? 1 : 0);
  const main = await acquireLease({ ...options, stores });
  const collection = await shareCollectionLease(settings, options).catch(async (error: unknown) => {
    await main.release();
    throw error;
  });
  const at = places.findIndex(({ place }) => place === main.place);
  const better = new BetterPlaces(placesOf(settings).slice(0, at), options.run);
  return {
    token: main.token,
    place: main.place,
    besideGraph: at === 0,
    lost: AbortSignal.any([main.lost, collection.lost]),
    async check() {
      await main.check();
      // Its heartbeat goes on by itself, and says here when it was lost.
      collection.lost.throwIfAborted();
      await better.check();
    },
    async hold() {
      await collection.hold();
      await main.hold();
    },
    get confirmedAt() {
      return Math.min(main.confirmedAt, collection.confirmedAt);
    },
    async release() {
      better.close();
      await collection.release();
      await main.release();
    },
  };
}

/** A lease that somebody holds, and where. */
export interface LeaseElsewhere extends HeldLease {
  place: string;
}

/**
 * The leases of these stores that are held at this moment, in every place where a recovery may keep one: it takes the
 * first that can keep it, which is not the graph server where that was down when it began. Takes nothing. A place that does
 * not answer, or holds something that is no lease, says nothing.
 */
export async function heldLeases(settings: Settings): Promise<LeaseElsewhere[]> {
  const stores = [...placesOf(settings), collectionPlace(settings)];
  const looks = await Promise.all(stores.map((store) => heldIn(store).finally(() => store.close())));
  return looks.filter((held) => held !== null);
}

async function heldIn(store: LeaseStore): Promise<LeaseElsewhere | null> {
  try {
    const held = await store.read();
    return held === null || held.expiresInMs <= 0 ? null : { ...held, place: store.place };
  } catch (error) {
    if (error instanceof Failure) return null;
    throw error;
  }
}

/** The best first: that of the graph. */
function placesOf(settings: Settings): LeaseStore[] {
  const { graph, vectors, backups, folders } = settings;
  return [
    redisLease(graphAddress(settings), graph.name),
    ...(backups.s3 === null
      ? []
      : [
          // Two machines may reach the same graph under different addresses.
          s3Lease(backups.s3, leaseName([graph.name, vectors.collection])),
        ]),
    fileLease(
      join(folders.state, 'leases'),
      leaseName([graph.host, graph.port, graph.name, vectors.collection]),
    ),
  ];
}
