import type * as Sdk from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';

import type { Failure } from '../../failure.js';
import { s3Failure, statusOf, type S3Action } from './s3-failures.js';

/** A bucket and how to get at it. */
export interface S3Place {
  readonly bucket: string;
  /** What the keys begin with, without slashes at its ends; may be empty. */
  readonly prefix: string;
  /** Address of an S3-compatible store; null for AWS. */
  readonly endpoint: string | null;
  readonly region: string | null;
  /** Profile of the AWS configuration files. */
  readonly profile: string | null;
  /** Null leaves the choice to the SDK: configuration files, instance roles. */
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken: string | null;
  } | null;
}

/** Milliseconds; s3-connection-failures.ts names them in its messages. */
export interface S3Waits {
  connectMs: number;
  /** Without a byte from the server. */
  silenceMs: number;
}

const WAITS: S3Waits = { connectMs: 5_000, silenceMs: 30_000 };

export interface S3Connection {
  readonly sdk: typeof Sdk;
  readonly client: S3Client;
}

/** A bucket as archives use it: one connection, made with the first call, and its failures in plain words. */
export class S3Bucket {
  readonly bucket: string;
  /** For people: "s3://bucket/prefix". */
  readonly name: string;
  /** What the keys begin with: "" or the prefix and a slash. */
  readonly base: string;
  private pending: Promise<S3Connection> | undefined;

  /** @param attempts how often a request is tried before it failed */
  constructor(
    private readonly place: S3Place,
    private readonly waits: S3Waits = WAITS,
    private readonly attempts = 3,
  ) {
    const { bucket, prefix } = place;
    this.bucket = bucket;
    this.name = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`;
    this.base = prefix === '' ? '' : `${prefix}/`;
  }

  connected(): Promise<S3Connection> {
    return (this.pending ??= connectS3(this.place, this.waits, this.attempts));
  }

  failure(action: S3Action, error: unknown, key?: string): Failure {
    const { bucket, endpoint, region } = this.place;
    const subject = { action, bucket, endpoint, region, waits: this.waits };
    return s3Failure({ ...subject, ...(key === undefined ? {} : { key }) }, error);
  }
}

/**
 * A client for a bucket. The SDK is loaded with the first call: loading takes longer than most commands run. It tries
 * again with pauses when it is throttled or the network fails, and after a first refusal takes the store's clock where
 * this machine's is wrong.
 *
 * @param attempts how often a request is tried before it failed
 */
export async function connectS3(place: S3Place, waits: S3Waits, attempts: number): Promise<S3Connection> {
  const sdk = await import('@aws-sdk/client-s3');
  const { endpoint, profile, credentials } = place;
  // AWS itself needs the region; other stores take any.
  const region = place.region ?? (endpoint === null ? null : 'us-east-1');
  const client = new sdk.S3Client({
    maxAttempts: attempts,
    requestHandler: { connectionTimeout: waits.connectMs, socketTimeout: waits.silenceMs },
    // Uploads bring their checksums along themselves, and can do without where a store refuses them.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    ...(endpoint === null ? {} : { endpoint, forcePathStyle: true }),
    ...(region === null ? {} : { region }),
    ...(profile === null ? {} : { profile }),
    ...(credentials === null ? {} : { credentials: withToken(credentials) }),
  });
  followRegion(client);
  return { sdk, client };
}

function withToken({ sessionToken, ...keys }: NonNullable<S3Place['credentials']>): {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
} {
  return sessionToken === null ? keys : { ...keys, sessionToken };
}

/**
 * Goes to the region where S3 says that the bucket is, and stays there. The SDK's own way (followRegionRedirects) asks
 * the wrong region first each time, and trips over itself when several parts are under way.
 */
function followRegion(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        const region = regionIn(error);
        if (region === null || region === (await client.config.region().catch(() => null))) throw error;
        client.config.region = () => Promise.resolve(region);
        return next(args);
      }
    },
    { step: 'initialize', name: 'lifeboatFollowRegion', priority: 'high' },
  );
}

/** Where S3 says that the bucket is, in the header or, with some errors, in the body only. */
function regionIn(error: unknown): string | null {
  const { $response, Region } = error as {
    $response?: { headers?: Record<string, string> };
    Region?: string;
  };
  if (statusOf(error) !== 301 && statusOf(error) !== 400) return null;
  return $response?.headers?.['x-amz-bucket-region'] ?? Region ?? null;
}

/** Has a command tell the time of the server that answered it: its Date header, "" where there was none. */
export function hearServerDate(
  command: Sdk.GetObjectCommand | Sdk.ListMultipartUploadsCommand,
): () => string {
  // Stacks of different commands are different types; what is added here looks at neither's own.
  const stack = command.middlewareStack as Sdk.GetObjectCommand['middlewareStack'];
  let date = '';
  stack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { headers } = result.response as { headers?: Record<string, string> };
      date = headers?.['date'] ?? '';
      return result;
    },
    { step: 'deserialize', name: 'lifeboatServerDate', priority: 'low' },
  );
  return () => date;
}
