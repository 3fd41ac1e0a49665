import type { ValueOf } from './variables.js';

export interface GraphSettings {
  readonly host: string;
  readonly port: number;
  /** Used with a password only, as AutoMem does. */
  readonly username: string;
  readonly password: string | null;
  /** Key of the graph. */
  readonly name: string;
  readonly tls: boolean;
  /** Absolute path of a PEM file. */
  readonly caFile: string | null;
}

export interface VectorSettings {
  /** Scheme, host, port and prefix; no slash at its end, no credentials. */
  readonly url: string;
  /** False when neither QDRANT_URL nor QDRANT_HOST is set: AutoMem's service then runs with the graph only. */
  readonly configured: boolean;
  readonly apiKey: string | null;
  readonly collection: string;
  /** Milliseconds; null where it is not set. */
  readonly timeoutMs: number | null;
  /** Dimensions for a collection that does not exist yet. */
  readonly size: number;
  /** Whether an existing collection's size goes before `size`. */
  readonly sizeFromCollection: boolean;
  readonly payloadIndexes: boolean;
}

export interface S3Settings {
  readonly bucket: string;
  /** Without slashes at its ends; may be empty. */
  readonly prefix: string;
  readonly endpoint: string | null;
  readonly region: string | null;
  readonly profile: string | null;
  /** Null leaves the choice to the SDK: configuration files, instance roles. */
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken: string | null;
  } | null;
}

/** What each embedding provider needs; which one is used follows AutoMem's order. */
export interface EmbeddingSettings {
  readonly provider: ValueOf<'EMBEDDING_PROVIDER'>;
  readonly openai: {
    readonly model: string;
    readonly apiKey: string | null;
    readonly baseUrl: string | null;
  };
  readonly voyage: { readonly model: string; readonly apiKey: string | null };
  /** Null address and model: Ollama is not set up, and `auto` passes it over. */
  readonly ollama: {
    readonly baseUrl: string | null;
    readonly model: string | null;
    readonly timeoutMs: number;
    readonly retries: number;
  };
  /** Absolute path; null for the default folder. */
  readonly modelsDir: string | null;
}

/** Which backups stay, in the shape of a policy of retention. A count of 0 keeps none on account of that rule. */
export interface RetentionSettings {
  /** So many of the newest. */
  readonly keepLast: number;
  /** All that are less than so much older than the newest; null for none on that account. */
  readonly keepWithinSeconds: number | null;
  /** Of so many hours, days, weeks, months and years the newest of each. */
  readonly hourly: number;
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
  readonly yearly: number;
  /** At most so many, and none that is older; null for no limit. */
  readonly maxCount: number | null;
  readonly maxAgeSeconds: number | null;
  /** So many of the newest complete ones stay in spite of the limits. */
  readonly minimum: number;
}

/** When the daemon does what, as it was written. */
export interface ScheduleSettings {
  readonly backup: string;
  readonly verify: string;
  readonly prune: string;
  readonly drift: string;
  readonly drill: string;
}

/** How long a job of the daemon may take before it is ended and counts as failed, in seconds. */
export interface LimitSettings {
  readonly backup: number;
  readonly verify: number;
  readonly prune: number;
  readonly drift: number;
  readonly drill: number;
}

/** S3 prices in dollars; null for the list prices that `backup plan` knows. */
export interface PriceSettings {
  readonly storageGbMonth: number | null;
  readonly archiveGbMonth: number | null;
  readonly put1000: number | null;
  readonly get1000: number | null;
  readonly transferGb: number | null;
}

/** Everything that can be set, read and checked. Cannot be changed. */
export interface Settings {
  readonly graph: GraphSettings;
  readonly vectors: VectorSettings;
  /** Memory types that have no vector. */
  readonly excludedTypes: readonly string[];
  readonly similarity: { readonly limit: number; readonly threshold: number };
  readonly embedding: EmbeddingSettings;
  readonly backups: {
    /** Absolute path. */
    readonly dir: string;
    readonly s3: S3Settings | null;
    /** Where new ones go; null for all places that are set up. */
    readonly to: 'local' | 's3' | 'both' | null;
    readonly encrypt: boolean;
    /** Public keys of age, for new ones. */
    readonly recipients: readonly string[];
    /** File with secret keys of age, absolute; null where none is set. */
    readonly identityFile: string | null;
  };
  readonly schedule: ScheduleSettings;
  readonly limits: LimitSettings;
  readonly prices: PriceSettings;
  /** What callers of the daemon must show; null closes those paths. */
  readonly keys: { readonly read: string | null; readonly write: string | null };
  readonly service: {
    readonly url: string;
    readonly apiToken: string | null;
    readonly adminToken: string | null;
  };
  readonly objectives: { readonly rtoSeconds: number | null; readonly rpoSeconds: number | null };
  readonly retention: RetentionSettings;
  /** AutoMem's own health monitor variables. */
  readonly monitor: {
    readonly webhook: string | null;
    readonly driftWarningPercent: number;
    readonly driftProblemPercent: number;
  };
  readonly alerts: {
    /** The least severity that is told. */
    readonly severity: 'warning' | 'problem';
    /** How long something must be wrong before it is told. */
    readonly afterSeconds: number;
    /** How long until the same is told again. */
    readonly repeatSeconds: number;
  };
  /** Absolute paths. */
  readonly folders: { readonly state: string; readonly cache: string };
  /** Every setting with its text and where it was set, for `lifeboat config`; secrets are not in it. */
  readonly list: readonly Setting[];
  /** Every secret value, for the redactor. Never print it. */
  readonly secrets: readonly string[];
}

/** One line of `lifeboat config`. */
export interface Setting {
  /** The variable, or "section.key" of lifeboat.config.yaml. */
  readonly name: string;
  /** The effective value as text; ‹redacted› for a secret; null where nothing is set. */
  readonly value: string | null;
  /** Where it was set: "the environment", "./.env line 3", "lifeboat.config.yaml line 2",
   * "default", "not set". */
  readonly origin: string;
  readonly secret: boolean;
  readonly description: string;
}
