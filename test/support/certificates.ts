import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

/** A key and its certificate, both PEM. */
export interface Certified {
  key: string;
  cert: string;
}

export interface Authority extends Certified {
  /** Issues a certificate for a server on the loopback address. */
  issue(): Certified;
}

const enum Tag {
  Boolean = 0x01,
  Integer = 0x02,
  BitString = 0x03,
  OctetString = 0x04,
  Oid = 0x06,
  Utf8 = 0x0c,
  UtcTime = 0x17,
  Sequence = 0x30,
  Set = 0x31,
  Version = 0xa0,
  Extensions = 0xa3,
}

const ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME = [0x55, 0x04, 0x03];
const ALTERNATIVE_NAME = [0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS = [0x55, 0x1d, 0x13];
/** 127.0.0.1, as a subject's alternative name of the kind "IP address". */
const LOOPBACK = [0x87, 4, 127, 0, 0, 1];
const DAY_MS = 86_400_000;

/** A private certificate authority, made up on the spot and valid for a day: X.509 (RFC 5280), as little as TLS needs. */
export function makeAuthority(name: string): Authority {
  const own = keyPair();
  const issuer = nameOf(name);
  const isAuthority = extension(BASIC_CONSTRAINTS, der(Tag.Sequence, der(Tag.Boolean, Buffer.of(0xff))));
  return {
    key: own.pem,
    cert: certificate(issuer, own.privateKey, issuer, own.publicKey, isAuthority),
    issue: () => {
      const server = keyPair();
      const address = extension(ALTERNATIVE_NAME, der(Tag.Sequence, Buffer.from(LOOPBACK)));
      const cert = certificate(issuer, own.privateKey, nameOf('server'), server.publicKey, address);
      return { key: server.pem, cert };
    },
  };
}

function certificate(
  issuer: Buffer,
  issuerKey: KeyObject,
  subject: Buffer,
  publicKey: KeyObject,
  extensions: Buffer,
): string {
  const algorithm = der(Tag.Sequence, oid(ECDSA_WITH_SHA256));
  const serial = Buffer.of(1 + Math.floor(Math.random() * 126), Math.floor(Math.random() * 256));
  const content = der(
    Tag.Sequence,
    der(Tag.Version, der(Tag.Integer, Buffer.of(2))),
    der(Tag.Integer, serial),
    algorithm,
    issuer,
    der(Tag.Sequence, time(Date.now() - DAY_MS), time(Date.now() + DAY_MS)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(Tag.Extensions, der(Tag.Sequence, extensions)),
  );
  const signature = sign('sha256', content, issuerKey);
  const whole = der(Tag.Sequence, content, algorithm, der(Tag.BitString, Buffer.of(0), signature));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function keyPair(): { publicKey: KeyObject; privateKey: KeyObject; pem: string } {
  const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return { ...pair, pem: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

const oid = (bytes: number[]): Buffer => der(Tag.Oid, Buffer.from(bytes));

function nameOf(text: string): Buffer {
  const attribute = der(Tag.Sequence, oid(COMMON_NAME), der(Tag.Utf8, Buffer.from(text)));
  return der(Tag.Sequence, der(Tag.Set, attribute));
}

function extension(id: number[], value: Buffer): Buffer {
  return der(Tag.Sequence, oid(id), der(Tag.OctetString, value));
}

/** YYMMDDHHMMSSZ. */
function time(ms: number): Buffer {
  const text = `${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`;
  return der(Tag.UtcTime, Buffer.from(text));
}
