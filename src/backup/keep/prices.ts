/** What an S3 service charges, in one currency. A GB is 2^30 bytes, as AWS bills it. */
export interface Prices {
  readonly currency: string;
  /** For a GB that lies there for a month. */
  readonly storageGbMonth: number;
  /** The same in the archive class. */
  readonly archiveGbMonth: number;
  /** For 1,000 PUT, COPY, POST or LIST requests; each part of a multipart upload is one. */
  readonly put1000: number;
  /** For 1,000 GET or HEAD requests. */
  readonly get1000: number;
  /** For a GB that leaves the service; what comes in costs nothing. */
  readonly transferGb: number;
}

/**
 * AWS list prices in US dollars for us-east-1 (N. Virginia) without tax, as published in June 2026: S3 Standard up to 50 TB,
 * S3 Glacier Flexible Retrieval, and transfer to the internet up to 10 TB a month.
 */
export const AWS_US_EAST_1: Prices = {
  currency: 'USD',
  storageGbMonth: 0.023,
  archiveGbMonth: 0.0036,
  put1000: 0.005,
  get1000: 0.0004,
  transferGb: 0.09,
};
