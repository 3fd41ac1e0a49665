import { z } from 'zod';

import * as schema from './schemas.js';

/** One variable that Lifeboat reads. */
export interface Variable<T = unknown, D extends string | null = string | null> {
  schema: z.ZodType<T>;
  /** The default as it would be written; null stands for "not set". */
  default: D;
  /** What a value should look like, as the end of "should be …". */
  expected: string;
  description: string;
  secret: boolean;
  /** Other names that are asked, in this order, when the variable is not set. */
  alternatives: readonly string[];
  /** True where an empty value means something; elsewhere it counts as not set. */
  emptyIsValue: boolean;
}

interface Options {
  secret?: boolean;
  alternatives?: readonly string[];
  emptyIsValue?: boolean;
}

function variable<T, D extends string | null>(
  type: z.ZodType<T>,
  fallback: D,
  expected: string,
  description: string,
  { secret = false, alternatives = [], emptyIsValue = false }: Options = {},
): Variable<T, D> {
  return { schema: type, default: fallback, expected, description, secret, alternatives, emptyIsValue };
}

const PORT = 'a port number from 1 to 65535';
const HOST = 'a host name or IP address, without scheme and port';
const NUMBER = 'a whole number above 0';
const SECONDS = 'a number of seconds above 0';
const FLAG = 'true or false';
const TEXT = 'some text';
const URL_EXPECTED = 'a URL such as http://localhost:8001';
const PERCENT = 'a percentage from 0 to 100';
const FOLDER = 'a path of a folder';

const graph = {
  FALKORDB_HOST: variable(schema.host, 'localhost', HOST, 'Host of FalkorDB', {
    alternatives: ['RAILWAY_PRIVATE_DOMAIN', 'RAILWAY_PUBLIC_DOMAIN'],
  }),
  FALKORDB_PORT: variable(schema.port, '6379', PORT, 'Port of FalkorDB'),
  FALKORDB_USERNAME: variable(schema.text, 'default', TEXT, 'User of FalkorDB, used with a password only'),
  FALKORDB_PASSWORD: variable(schema.secret, null, TEXT, 'Password of FalkorDB', { secret: true }),
  FALKORDB_GRAPH: variable(schema.name, 'memories', 'a graph name without braces', 'Key of the graph'),
  FALKORDB_TLS: variable(schema.truth, 'false', FLAG, 'Speak TLS with FalkorDB'),
  FALKORDB_CA_FILE: variable(
    schema.text,
    null,
    'the path of a PEM file',
    'Certificate authority that FalkorDB is checked with; switches TLS on',
  ),
};

const vectors = {
  QDRANT_URL: variable(
    schema.qdrantUrl,
    null,
    'a URL with http:// or https:// and a host, such as http://localhost:6333',
    'Address of Qdrant; port 6333 unless given. Without it QDRANT_HOST and QDRANT_PORT are used',
  ),
  QDRANT_HOST: variable(schema.host, null, HOST, 'Host of Qdrant, where QDRANT_URL is not set'),
  QDRANT_PORT: variable(schema.port, '6333', PORT, 'Port of Qdrant, with QDRANT_HOST'),
  QDRANT_API_KEY: variable(schema.secret, null, TEXT, 'API key of Qdrant', { secret: true }),
  QDRANT_COLLECTION: variable(
    schema.collection,
    'memories',
    'a collection name without < > : " / \\ | ? *',
    'Name of the collection',
  ),
  QDRANT_TIMEOUT_SECONDS: variable(
    schema.positiveNumber,
    null,
    SECONDS,
    'Longest wait for one Qdrant answer',
  ),
  QDRANT_ENSURE_PAYLOAD_INDEXES: variable(
    schema.truth,
    'true',
    FLAG,
    'Whether tags and tag_prefixes are indexed in Qdrant',
  ),
  VECTOR_SIZE: variable(schema.positiveInteger, '1024', NUMBER, 'Dimensions of a vector', {
    alternatives: ['QDRANT_VECTOR_SIZE'],
  }),
  VECTOR_SIZE_AUTODETECT: variable(
    schema.truth,
    'true',
    FLAG,
    'Whether the size of an existing collection goes before VECTOR_SIZE',
  ),
};

const memories = {
  RECALL_EXCLUDED_TYPES: variable(
    schema.list,
    'MetaPattern',
    'memory types with commas between them',
    'Types that have no vector; empty for none',
    { emptyIsValue: true },
  ),
  ENRICHMENT_SIMILARITY_LIMIT: variable(
    schema.positiveInteger,
    '5',
    NUMBER,
    'SIMILAR_TO neighbours of a memory',
  ),
  ENRICHMENT_SIMILARITY_THRESHOLD: variable(
    schema.ratio,
    '0.8',
    'a number from 0 to 1',
    'Least cosine of a SIMILAR_TO relationship',
  ),
};

const embedding = {
  EMBEDDING_PROVIDER: variable(
    z
      .string()
      .trim()
      .toLowerCase()
      .pipe(z.enum(['auto', 'voyage', 'openai', 'ollama', 'local', 'placeholder'])),
    'auto',
    'auto, voyage, openai, ollama, local or placeholder',
    'Who makes vectors',
  ),
  EMBEDDING_MODEL: variable(
    schema.text,
    'text-embedding-3-small',
    'a model name',
    'Model of the openai provider',
  ),
  OPENAI_API_KEY: variable(schema.secret, null, TEXT, 'Key of the openai provider', { secret: true }),
  OPENAI_BASE_URL: variable(schema.httpUrl, null, URL_EXPECTED, 'Address of the openai provider'),
  VOYAGE_API_KEY: variable(schema.secret, null, TEXT, 'Key of the voyage provider', { secret: true }),
  VOYAGE_MODEL: variable(schema.text, 'voyage-4', 'a model name', 'Model of the voyage provider'),
  OLLAMA_BASE_URL: variable(schema.httpUrl, null, URL_EXPECTED, 'Address of Ollama'),
  OLLAMA_MODEL: variable(schema.text, null, 'a model name', 'Model of Ollama'),
  OLLAMA_TIMEOUT: variable(schema.positiveNumber, '30', SECONDS, 'Longest wait for one Ollama answer'),
  OLLAMA_MAX_RETRIES: variable(schema.wholeNumber, '2', 'a whole number', 'Tries after a failed Ollama call'),
  AUTOMEM_MODELS_DIR: variable(schema.text, null, FOLDER, 'Models of the local provider'),
};

const backups = {
  AUTOMEM_BACKUP_DIR: variable(schema.text, './backups', FOLDER, 'Folder of the backups'),
  AUTOMEM_S3_BUCKET: variable(schema.bucket, null, 'the name of an S3 bucket', 'Bucket of the backups'),
  AUTOMEM_S3_PREFIX: variable(
    schema.keyPrefix,
    'automem-backups',
    'the beginning of a key, such as automem-backups',
    'What the keys of the backups begin with',
  ),
  AWS_ENDPOINT_URL_S3: variable(schema.httpUrl, null, URL_EXPECTED, 'Address of an S3-compatible store', {
    alternatives: ['AWS_ENDPOINT_URL'],
  }),
  AWS_REGION: variable(schema.text, null, 'a region such as eu-central-1', 'Region of the bucket', {
    alternatives: ['AWS_DEFAULT_REGION'],
  }),
  AWS_PROFILE: variable(schema.text, null, 'the name of a profile', 'Profile in the AWS configuration files'),
  AWS_ACCESS_KEY_ID: variable(schema.secret, null, TEXT, 'S3 credentials', { secret: true }),
  AWS_SECRET_ACCESS_KEY: variable(schema.secret, null, TEXT, 'S3 credentials', { secret: true }),
  AWS_SESSION_TOKEN: variable(schema.secret, null, TEXT, 'S3 credentials', { secret: true }),
};

const service = {
  AUTOMEM_API_URL: variable(schema.httpUrl, 'http://localhost:8001', URL_EXPECTED, 'Address of AutoMem', {
    alternatives: ['MCP_MEMORY_HTTP_ENDPOINT', 'AUTOMEM_ENDPOINT'],
  }),
  AUTOMEM_API_TOKEN: variable(schema.secret, null, TEXT, 'API token of AutoMem', { secret: true }),
  ADMIN_API_TOKEN: variable(schema.secret, null, TEXT, 'Admin token of AutoMem', { secret: true }),
  HEALTH_MONITOR_WEBHOOK: variable(
    schema.httpUrl,
    null,
    'a URL with http:// or https://',
    'Where alerts are posted to',
    // Whoever has a chat webhook can post with it.
    { secret: true },
  ),
  HEALTH_MONITOR_DRIFT_THRESHOLD: variable(schema.percentage, '5', PERCENT, 'Drift that is a warning'),
  HEALTH_MONITOR_CRITICAL_THRESHOLD: variable(schema.percentage, '50', PERCENT, 'Drift that is a problem'),
};

const lifeboat = {
  LIFEBOAT_STATE: variable(schema.text, '~/.local/state/lifeboat', FOLDER, 'Runs, journals and leases'),
  LIFEBOAT_CACHE: variable(schema.text, '~/.cache/lifeboat', FOLDER, 'Engines and models that were fetched'),
  LIFEBOAT_AGE_RECIPIENTS: variable(
    schema.list,
    '',
    'public keys of age, separated by commas',
    'Whom backups are encrypted for',
  ),
  LIFEBOAT_AGE_IDENTITY: variable(
    schema.text,
    null,
    'the path of a file that age-keygen wrote',
    'Secret keys that open encrypted backups',
  ),
  LIFEBOAT_READ_KEY: variable(schema.secret, null, TEXT, 'Key of those who may look, for the daemon', {
    secret: true,
  }),
  LIFEBOAT_WRITE_KEY: variable(
    schema.secret,
    null,
    TEXT,
    'Key of those who may start a backup, for the daemon',
    {
      secret: true,
    },
  ),
};

/** Every variable that Lifeboat reads: AutoMem's own names and defaults, and Lifeboat's own. */
export const VARIABLES = {
  ...graph,
  ...vectors,
  ...memories,
  ...embedding,
  ...backups,
  ...service,
  ...lifeboat,
} as const;

export type VariableName = keyof typeof VARIABLES;

/** What a variable is once read; null where it has no default and is not set. */
export type ValueOf<K extends VariableName> =
  (typeof VARIABLES)[K] extends Variable<infer T, infer D> ? (D extends string ? T : T | null) : never;
