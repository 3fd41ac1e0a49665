import { z } from 'zod';

/** Every schema takes the text of a variable; what it should look like stands in the table of variables. */

export const text = z.string().trim().min(1);

/** A secret is taken as it stands: blanks at its ends may belong to it. */
export const secret = z.string().min(1);

export const port = z
  .string()
  .trim()
  .regex(/^\d{1,5}$/)
  .transform(Number)
  .pipe(z.number().int().min(1).max(65_535));

export const positiveInteger = z
  .string()
  .trim()
  .regex(/^\d{1,9}$/)
  .transform(Number)
  .pipe(z.number().int().positive());

export const wholeNumber = z
  .string()
  .trim()
  .regex(/^\d{1,9}$/)
  .transform(Number);

export const positiveNumber = z
  .string()
  .trim()
  .regex(/^\d*\.?\d+$/)
  .transform(Number)
  .pipe(z.number().positive().max(1e9));

export const percentage = z
  .string()
  .trim()
  .regex(/^\d*\.?\d+$/)
  .transform(Number)
  .pipe(z.number().min(0).max(100));

export const ratio = z
  .string()
  .trim()
  .regex(/^\d*\.?\d+$/)
  .transform(Number)
  .pipe(z.number().min(0).max(1));

const TRUE = new Set(['1', 'true', 'yes', 'on']);
const FALSE = new Set(['0', 'false', 'no', 'off']);

export const truth = z
  .string()
  .trim()
  .toLowerCase()
  .refine((value) => TRUE.has(value) || FALSE.has(value))
  .transform((value) => TRUE.has(value));

/** Comma-separated; blanks around items and empty items are dropped, as AutoMem does. */
export const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

/** A host name, an IPv4 address, or an IPv6 address with or without brackets; no scheme, no port, no path. */
export const host = z
  .string()
  .trim()
  .regex(/^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?|\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:%\w+)?\]?)$/)
  .refine((value) => !/^[^:[\]]+:\d+$/.test(value))
  .transform((value) => value.replace(/^\[(.*)\]$/, '$1'));

/** A name that is not quoted again when it becomes part of a key or a path of a URL. */
export const name = z
  .string()
  .trim()
  .min(1)
  // The braces would change the cluster slot of the staging key, `{<graph>}:lifeboat:<run>`.
  .refine((value) => !/[\p{Cc}{}]/u.test(value));

export const collection = z
  .string()
  .trim()
  .min(1)
  .max(255)
  // What Qdrant refuses in a collection name (it becomes a folder).
  .refine((value) => !/[<>:"/\\|?*\p{Cc}]/u.test(value));

export const bucket = z
  .string()
  .trim()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$|^arn:[\w:/.-]+$/);

export const keyPrefix = z
  .string()
  .trim()
  .transform((value) => value.replace(/^\/+|\/+$/g, ''));

/** http(s) with a host; the result has no slash at its end. */
export const httpUrl = z
  .string()
  .trim()
  .refine((value) => /^https?:\/\/[^/]/i.test(value) && URL.canParse(value))
  .transform((value) => value.replace(/\/+$/, ''));

/**
 * The address of Qdrant as AutoMem's Python client reads it (qdrant_remote.py, QdrantRemote.__init__): port 6333
 * unless one is given, with https too; the path is a prefix; user, query and fragment are not used. Unlike that
 * client a URL without a scheme is refused, because the service itself refuses it (runtime_clients.py).
 */
export const qdrantUrl = httpUrl.transform((value, context) => {
  const url = new URL(value);
  // URL drops a port that is the scheme's default, so an explicit :443 shows only in the text.
  const authority = /^https?:\/\/([^/?#]*)/i.exec(value)?.[1] ?? '';
  const explicit = /:(\d+)$/.exec(authority.slice(authority.lastIndexOf('@') + 1))?.[1];
  const number = explicit === undefined ? 6333 : Number(explicit);
  if (number < 1) {
    context.addIssue({ code: 'custom', message: 'port' });
    return z.NEVER;
  }
  return `${url.protocol}//${url.hostname}:${number}${url.pathname.replace(/\/+$/, '')}`;
});
