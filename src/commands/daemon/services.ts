import { takeInventory } from '../../backup/inventory/inventory.js';
import type { BackupRequest } from '../../daemon/jobs.js';
import type { HttpOptions } from '../../daemon/daemon.js';
import type { BackupsSeen } from '../../daemon/newest-backup.js';
import { Failure } from '../../failure.js';
import { listRuns } from '../../recovery/run-state.js';
import type { Settings } from '../../settings/settings.js';
import { listBackups } from '../backup/list-backups.js';
import { backupRecord, placeRecord } from '../backup/list-words.js';
import { newestWhole } from '../backup/plan-backups.js';
import { backupPlaces } from '../backup/places.js';
import type { CommandContext } from '../context.js';
import { settingsOf } from '../run/settings-of.js';
import { runRecord } from '../runs/describe.js';

/** What the paths of the daemon tell besides its own jobs. */
export type DaemonServices = Pick<HttpOptions, 'listBackups' | 'listRuns' | 'checkBackup' | 'findNewest'>;

/** As `backup list --json` and `runs list --json` tell it. */
export function daemonServices(context: CommandContext, settings: Settings): DaemonServices {
  return {
    listBackups: async () => {
      const { backups, inventory } = await listBackups(await settingsOf(context), {
        file: null,
        now: new Date(),
      });
      return { backups: backups.map(backupRecord), places: inventory.places.map(placeRecord) };
    },
    findNewest: async () => findNewest(await settingsOf(context)),
    listRuns: () => Promise.resolve({ runs: listRuns(settings.folders.state).map(runRecord) }),
    checkBackup: (request) => checkRequest(settings, request),
  };
}

/** @throws Failure (exit 2), in the words of the API, where such a backup cannot be made as the settings are */
function checkRequest(settings: Settings, { to }: BackupRequest): void {
  try {
    backupPlaces(settings, to ?? settings.backups.to);
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'no-bucket')) throw error;
    const { operation, subject, reason, exitCode, code } = error;
    const hint = 'Set AUTOMEM_S3_BUCKET to the name of the bucket, or send {"to": "local"}.';
    throw new Failure({ operation, subject, reason, hint, exitCode, code }, { cause: error });
  }
}

async function findNewest(settings: Settings): Promise<BackupsSeen> {
  const { backups, places } = await takeInventory(backupPlaces(settings, null), new Date());
  const newest = newestWhole(backups);
  return {
    newest: newest === null ? null : { at: newest.takenAt, bytes: newest.bytes },
    whole: places.every(({ failure }) => failure === null),
  };
}
