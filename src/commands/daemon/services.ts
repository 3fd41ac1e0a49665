import type { BackupRequest } from '../../daemon/jobs.js';
import type { HttpOptions } from '../../daemon/daemon.js';
import { listRuns } from '../../recovery/run-state.js';
import type { Settings } from '../../settings/settings.js';
import { listBackups } from '../backup/list-backups.js';
import { backupRecord, placeRecord } from '../backup/list-words.js';
import { backupPlaces } from '../backup/places.js';
import type { CommandContext } from '../context.js';
import { settingsOf } from '../run/settings-of.js';
import { runRecord } from '../runs/describe.js';

/** What the paths of the daemon tell besides its own jobs. */
export type DaemonServices = Pick<HttpOptions, 'listBackups' | 'listRuns' | 'checkBackup'>;

/** As `backup list --json` and `runs list --json` tell it. */
export function daemonServices(context: CommandContext, settings: Settings): DaemonServices {
  return {
    listBackups: async () => {
      const { backups, places } = await listBackups(await settingsOf(context), {
        file: null,
        now: new Date(),
      });
      return { backups: backups.map(backupRecord), places: places.map(placeRecord) };
    },
    listRuns: () => Promise.resolve({ runs: listRuns(settings.folders.state).map(runRecord) }),
    checkBackup: (request) => checkRequest(settings, request),
  };
}

/** @throws Failure (exit 2) where such a backup cannot be made as the settings are */
function checkRequest(settings: Settings, { to }: BackupRequest): void {
  backupPlaces(settings, to ?? settings.backups.to);
}
