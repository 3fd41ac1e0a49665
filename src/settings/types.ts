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
  };
  readonly service: {
    readonly url: string;
    readonly apiToken: string | null;
    readonly adminToken: string | null;
  };
  readonly objectives: { readonly rtoSeconds: number | null; readonly rpoSeconds: number | null };
  /** How many backups stay. 0 keeps none on account of that rule. */
  readonly retention: {
    readonly keepLast: number;
    readonly keepDaily: number;
    readonly keepWeekly: number;
    readonly keepMonthly: number;
  };
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
