import { ExitCode } from '../../failure.js';

/** What a failure is about: the rest of a Failure's facts. */
export interface Diagnosis {
  code: string;
  reason: string;
  hint: string;
  exitCode?: ExitCode;
}

interface Answer {
  status: number;
  message: string;
}

/** What Qdrant's error answers mean, the special ones first. */
const RULES: readonly [applies: (answer: Answer) => boolean, diagnose: (answer: Answer) => Diagnosis][] = [
  [
    ({ status, message }) => status === 403 && /access\b.* is required/i.test(message),
    ({ message }) => ({
      code: 'read-only-key',
      reason: `the API key may read, but not do this (HTTP 403: ${message})`,
      hint: 'Set QDRANT_API_KEY to the key with full access, not to the read-only one.',
    }),
  ],
  [
    ({ status }) => status === 401 || status === 403,
    ({ status }) => ({
      code: 'wrong-credentials',
      reason: `Qdrant refuses the API key (HTTP ${status})`,
      hint: 'Check QDRANT_API_KEY.',
    }),
  ],
  [
    ({ status, message }) => status === 404 && /Collection .* doesn't exist/.test(message),
    ({ message }) => ({
      code: 'collection-missing',
      reason: message,
      hint: 'Check QDRANT_COLLECTION. If the collection is lost, this is not the plan for it: run `lifeboat assess`.',
      exitCode: ExitCode.nothingToRecoverFrom,
    }),
  ],
  [
    ({ status, message }) => status === 404 && /snapshot/i.test(message),
    ({ message }) => ({
      code: 'snapshot-missing',
      reason: message,
      hint: "It was deleted, or the server's snapshots folder is not on the volume that was kept.",
      exitCode: ExitCode.nothingToRecoverFrom,
    }),
  ],
  [
    ({ status, message }) =>
      status === 507 || /no space left|insufficient storage|disk (?:is )?full/i.test(message),
    ({ message }) => ({
      code: 'disk-full',
      reason: `Qdrant has no space left on its disk (${message})`,
      hint: 'Make room on its volume, by deleting snapshots that nobody needs for instance, then run the command again.',
      exitCode: ExitCode.failed,
    }),
  ],
  [
    isTooLarge,
    ({ message }) => ({
      code: 'too-large',
      reason: `the request is larger than the server takes (${message})`,
      hint: 'Raise the limit of what stands in front of Qdrant, such as client_max_body_size of nginx, or use the address of Qdrant itself.',
      exitCode: ExitCode.failed,
    }),
  ],
  [
    ({ status, message }) => status === 409 || /Collection .* already exists/.test(message),
    ({ message }) => ({
      code: 'collection-exists',
      reason: message,
      hint: 'Somebody made it in the meantime. Run `lifeboat assess` to see what is there now.',
      exitCode: ExitCode.failed,
    }),
  ],
  [
    ({ message }) => /Snapshot is not compatible/.test(message),
    ({ message }) => ({
      code: 'snapshot-incompatible',
      reason: message,
      hint: 'The collection was made again with other vectors or shards. Delete it and make it as it was, then restore.',
      exitCode: ExitCode.failed,
    }),
  ],
  [
    ({ message }) => /checksum mismatch/i.test(message),
    ({ message }) => ({
      code: 'snapshot-damaged',
      reason: message,
      hint: 'The snapshot is not what it was when it was made: restore a backup instead.',
      exitCode: ExitCode.failed,
    }),
  ],
  [
    ({ status }) => status === 503 || status === 429,
    ({ status, message }) => ({
      code: 'loading',
      reason: `Qdrant is not ready (HTTP ${status}: ${message})`,
      hint: 'Wait until it is, then run the command again.',
    }),
  ],
];

/** The cause and the next step of an answer that is no success. */
export function httpDiagnosis(answer: Answer): Diagnosis {
  const rule = RULES.find(([applies]) => applies(answer));
  if (rule !== undefined) return rule[1](answer);
  return {
    code: 'qdrant-error',
    reason: `HTTP ${answer.status}: ${answer.message}`,
    hint: "The text is Qdrant's own; its log may tell more.",
    exitCode: ExitCode.failed,
  };
}

/** Qdrant takes 32 MiB, a proxy in front of it perhaps one. */
export function isTooLarge({ status, message }: Answer): boolean {
  return status === 413 || (status === 400 && /larger than allowed/.test(message));
}
