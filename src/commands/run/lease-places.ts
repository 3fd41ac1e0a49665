import { join } from 'node:path';
import { acquireLease, type Lease, type LeaseOptions } from '../../recovery/lease.js';
import type { Settings } from '../../settings/settings.js';
import { fileLease } from '../../stores/lease/file-lease.js';
import { leaseName } from '../../stores/lease/lease-store.js';
import { redisLease } from '../../stores/lease/redis-lease.js';
import { s3Lease } from '../../stores/lease/s3-lease.js';
import { graphAddress } from './world.js';

/** A lease, and whether it is kept where the graph is: then the swap itself can be made to depend on it. */
export interface TakenLease extends Lease {
  readonly besideGraph: boolean;
}

/**
 * Takes the lease of the stores that the settings name: on the graph server, else in the bucket of the backups, else in a
 * file of this machine.
 *
 * @param options.awayFromGraph for a run during which the graph server is stopped and started on other data
 * @throws Failure (exit 11) where another run holds it
 */
export async function takeLease(
  settings: Settings,
  options: Omit<LeaseOptions, 'stores'> & { awayFromGraph?: boolean },
): Promise<TakenLease> {
  const { graph, vectors, backups, folders } = settings;
  const beside = redisLease(graphAddress(settings), graph.name);
  const stores = [
    ...(options.awayFromGraph === true ? [] : [beside]),
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
  const lease = await acquireLease({ ...options, stores });
  return Object.assign(lease, { besideGraph: lease.place === beside.place });
}
