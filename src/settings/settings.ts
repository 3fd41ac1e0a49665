import { join, resolve } from 'node:path';

import { ExitCode, Failure } from '../failure.js';
import { CONFIG_FILE } from './config-failure.js';
import { readConfigFile } from './config-file.js';
import type { Config } from './config-schema.js';
import { readEnvironment, type EnvironmentSources, type SourcedValue } from './env-files.js';
import { listSettings, type Derived } from './listing.js';
import { resolver, type Resolver } from './resolve.js';
import type { EmbeddingSettings, GraphSettings, S3Settings, Settings, VectorSettings } from './types.js';
import { VARIABLES, type Variable } from './variables.js';

export type * from './types.js';

/**
 * Reads the settings: variables from the environment, then ./.env, then ~/.config/automem/.env, and
 * lifeboat.config.yaml of the working folder.
 *
 * @throws Failure (exit 2) that names each variable or line that is wrong, where it was set and what it should be
 */
export async function loadSettings(sources: EnvironmentSources): Promise<Settings> {
  const values = await readEnvironment(sources, knownNames());
  const file = await readConfigFile(sources.cwd);
  const vars = resolver(values);
  const settings = {
    graph: graph(vars, sources.cwd),
    vectors: vectors(vars),
    excludedTypes: vars.read('RECALL_EXCLUDED_TYPES'),
    similarity: {
      limit: vars.read('ENRICHMENT_SIMILARITY_LIMIT'),
      threshold: vars.read('ENRICHMENT_SIMILARITY_THRESHOLD'),
    },
    embedding: embedding(vars, sources.cwd),
    backups: backups(vars, file.config, sources.cwd),
    keys: { read: vars.read('LIFEBOAT_READ_KEY'), write: vars.read('LIFEBOAT_WRITE_KEY') },
    service: {
      url: vars.read('AUTOMEM_API_URL'),
      apiToken: vars.read('AUTOMEM_API_TOKEN'),
      adminToken: vars.read('ADMIN_API_TOKEN'),
    },
    ...fromConfig(file.config),
    monitor: {
      webhook: vars.read('HEALTH_MONITOR_WEBHOOK'),
      driftWarningPercent: vars.read('HEALTH_MONITOR_DRIFT_THRESHOLD'),
      driftProblemPercent: vars.read('HEALTH_MONITOR_CRITICAL_THRESHOLD'),
    },
    folders: folders(vars, values, sources),
  };
  if (vars.problems.length > 0) throw invalid(vars);
  const list = listSettings(vars, derivedValues(settings, vars), settings, file.lines);
  return deepFreeze({ ...settings, list, secrets: secretsOf(values) });
}

function knownNames(): Set<string> {
  const all: [string, Variable][] = Object.entries(VARIABLES);
  return new Set(all.flatMap(([name, { alternatives }]) => [name, ...alternatives]));
}

function graph(vars: Resolver, cwd: string): GraphSettings {
  const caFile = vars.read('FALKORDB_CA_FILE');
  return {
    host: vars.read('FALKORDB_HOST'),
    port: vars.read('FALKORDB_PORT'),
    username: vars.read('FALKORDB_USERNAME'),
    password: vars.read('FALKORDB_PASSWORD'),
    name: vars.read('FALKORDB_GRAPH'),
    tls: vars.read('FALKORDB_TLS') || caFile !== null,
    caFile: caFile === null ? null : resolve(cwd, caFile),
  };
}

function vectors(vars: Resolver): VectorSettings {
  const url = vars.read('QDRANT_URL');
  const host = vars.read('QDRANT_HOST');
  const port = vars.read('QDRANT_PORT');
  const timeout = vars.read('QDRANT_TIMEOUT_SECONDS');
  // AutoMem's service has no default for the address; its scripts use localhost, and so does Lifeboat.
  const name = host ?? 'localhost';
  return {
    url: url ?? `http://${name.includes(':') ? `[${name}]` : name}:${host === null ? 6333 : port}`,
    configured: url !== null || host !== null,
    apiKey: vars.read('QDRANT_API_KEY'),
    collection: vars.read('QDRANT_COLLECTION'),
    timeoutMs: timeout === null ? null : Math.ceil(timeout) * 1000,
    size: vars.read('VECTOR_SIZE'),
    sizeFromCollection: vars.read('VECTOR_SIZE_AUTODETECT'),
    payloadIndexes: vars.read('QDRANT_ENSURE_PAYLOAD_INDEXES'),
  };
}

function embedding(vars: Resolver, cwd: string): EmbeddingSettings {
  const modelsDir = vars.read('AUTOMEM_MODELS_DIR');
  return {
    provider: vars.read('EMBEDDING_PROVIDER'),
    openai: {
      model: vars.read('EMBEDDING_MODEL'),
      apiKey: vars.read('OPENAI_API_KEY'),
      baseUrl: vars.read('OPENAI_BASE_URL'),
    },
    voyage: { model: vars.read('VOYAGE_MODEL'), apiKey: vars.read('VOYAGE_API_KEY') },
    ollama: {
      baseUrl: vars.read('OLLAMA_BASE_URL'),
      model: vars.read('OLLAMA_MODEL'),
      timeoutMs: vars.read('OLLAMA_TIMEOUT') * 1000,
      retries: vars.read('OLLAMA_MAX_RETRIES'),
    },
    modelsDir: modelsDir === null ? null : resolve(cwd, modelsDir),
  };
}

function backups(vars: Resolver, { backup = {} }: Config, cwd: string): Settings['backups'] {
  const identityFile = vars.read('LIFEBOAT_AGE_IDENTITY');
  return {
    dir: resolve(cwd, vars.read('AUTOMEM_BACKUP_DIR')),
    s3: s3(vars),
    to: backup.to ?? null,
    encrypt: backup.encrypt ?? false,
    recipients: vars.read('LIFEBOAT_AGE_RECIPIENTS'),
    identityFile: identityFile === null ? null : resolve(cwd, identityFile),
  };
}

function s3(vars: Resolver): S3Settings | null {
  const bucket = vars.read('AUTOMEM_S3_BUCKET');
  const accessKeyId = vars.read('AWS_ACCESS_KEY_ID');
  const secretAccessKey = vars.read('AWS_SECRET_ACCESS_KEY');
  const sessionToken = vars.read('AWS_SESSION_TOKEN');
  const rest = {
    prefix: vars.read('AUTOMEM_S3_PREFIX'),
    endpoint: vars.read('AWS_ENDPOINT_URL_S3'),
    region: vars.read('AWS_REGION'),
    profile: vars.read('AWS_PROFILE'),
  };
  if (bucket === null) return null;
  const credentials =
    accessKeyId === null || secretAccessKey === null ? null : { accessKeyId, secretAccessKey, sessionToken };
  return { bucket, ...rest, credentials };
}

/** Seconds. */
const HOUR = 3600;

/** AutoMem keeps the seven newest (`--keep`); an alert waits out a restart and is repeated hourly. A job may take as
 * long as the default time to its next run, at the most: what takes longer hangs far more often than it works. */
function fromConfig({
  objectives = {},
  retention = {},
  alerts = {},
  schedule = {},
  limits = {},
  prices = {},
}: Config): Pick<Settings, 'objectives' | 'retention' | 'alerts' | 'schedule' | 'limits' | 'prices'> {
  return {
    objectives: { rtoSeconds: objectives.rto ?? null, rpoSeconds: objectives.rpo ?? null },
    retention: {
      keepLast: retention.keepLast ?? 7,
      keepWithinSeconds: retention.keepWithin ?? null,
      hourly: retention.keepHourly ?? 24,
      daily: retention.keepDaily ?? 30,
      weekly: retention.keepWeekly ?? 12,
      monthly: retention.keepMonthly ?? 12,
      yearly: retention.keepYearly ?? 0,
      maxCount: retention.maxCount ?? null,
      maxAgeSeconds: retention.maxAge ?? null,
      minimum: retention.minimum ?? 3,
    },
    schedule: {
      backup: schedule.backup ?? '6h',
      verify: schedule.verify ?? 'daily',
      prune: schedule.prune ?? 'daily',
      drift: schedule.drift ?? 'hourly',
      drill: schedule.drill ?? 'off',
    },
    limits: {
      backup: limits.backup ?? 6 * HOUR,
      verify: limits.verify ?? 6 * HOUR,
      prune: limits.prune ?? HOUR,
      drift: limits.drift ?? HOUR,
      drill: limits.drill ?? 2 * HOUR,
    },
    prices: {
      storageGbMonth: prices.storageGbMonth ?? null,
      archiveGbMonth: prices.archiveGbMonth ?? null,
      put1000: prices.put1000 ?? null,
      get1000: prices.get1000 ?? null,
      transferGb: prices.transferGb ?? null,
    },
    alerts: {
      severity: alerts.severity ?? 'warning',
      afterSeconds: alerts.after ?? 120,
      repeatSeconds: alerts.repeat ?? 3600,
    },
  };
}

function folders(
  vars: Resolver,
  values: ReadonlyMap<string, SourcedValue>,
  { cwd, home }: EnvironmentSources,
): Settings['folders'] {
  const folder = (name: 'LIFEBOAT_STATE' | 'LIFEBOAT_CACHE', xdg: string): string => {
    const text = vars.read(name);
    const base = values.get(xdg)?.value ?? '';
    // The XDG specification: a relative path there is invalid and to be ignored.
    if (vars.find(name).foundAs === null && base.startsWith('/')) return join(base, 'lifeboat');
    return resolve(cwd, text.replace(/^~(?=\/|$)/, home));
  };
  return {
    state: folder('LIFEBOAT_STATE', 'XDG_STATE_HOME'),
    cache: folder('LIFEBOAT_CACHE', 'XDG_CACHE_HOME'),
  };
}

/** What `lifeboat config` shows in place of the text that was set. */
function derivedValues(
  { vectors: { url }, backups, folders: { state, cache } }: Pick<Settings, 'vectors' | 'backups' | 'folders'>,
  vars: Resolver,
): Derived {
  const host = vars.find('QDRANT_HOST');
  const fromHost = vars.find('QDRANT_URL').foundAs === null && host.foundAs !== null;
  return {
    QDRANT_URL: { value: url, ...(fromHost ? { origin: `QDRANT_HOST in ${host.origin}` } : {}) },
    AUTOMEM_BACKUP_DIR: { value: backups.dir },
    LIFEBOAT_STATE: { value: state },
    LIFEBOAT_CACHE: { value: cache },
  };
}

function invalid({ problems }: Resolver): Failure {
  return new Failure({
    operation: 'read the settings',
    subject: problems.map(({ name }) => name).join(', '),
    reason: problems.map(({ message }) => message).join('; '),
    hint: `Correct the value where it is set, or remove it for the default. \`lifeboat config\` shows all settings; what has no variable stands in ${CONFIG_FILE}.`,
    exitCode: ExitCode.usage,
    code: 'settings-invalid',
  });
}

/** Every secret, also one that another source overrules, or that only a URL carries: none may be printed. */
function secretsOf(values: ReadonlyMap<string, SourcedValue>): string[] {
  const secrets = new Set<string>();
  const all: [string, Variable][] = Object.entries(VARIABLES);
  for (const [name, variable] of all) {
    for (const candidate of [name, ...variable.alternatives]) {
      const value = values.get(candidate)?.value ?? '';
      if (variable.secret && value.trim() !== '') secrets.add(value);
      if (!URL.canParse(value)) continue;
      const { password } = new URL(value);
      if (password !== '') secrets.add(decoded(password));
    }
  }
  return [...secrets];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
