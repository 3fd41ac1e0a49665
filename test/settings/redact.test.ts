import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { REDACTED, redactor, withoutCredentials } from '../../src/settings/redact.js';

describe('redactor', () => {
  it('leaves no secret, as it is or encoded, in any text', () => {
    const secret = fc.string({ unit: 'grapheme', minLength: 4 }).filter((text) => !REDACTED.includes(text));
    fc.assert(
      fc.property(fc.array(secret, { minLength: 1, maxLength: 4 }), fc.string(), (secrets, filler) => {
        const redact = redactor({ secrets });
        for (const value of secrets) {
          const text = [
            value,
            encodeURIComponent(value),
            JSON.stringify({ value }),
            `https://h/?q=${new URLSearchParams({ value }).toString()}`,
          ].join(` ${filler} `);
          const redacted = redact(text).replaceAll(REDACTED, '');
          for (const form of [value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1)]) {
            expect(redacted).not.toContain(form);
          }
        }
      }),
    );
  });

  it.each([
    ['a+b.c*d$', 'x a+b.c*d$ y', `x ${REDACTED} y`],
    ['p/w&x=1', 'url?key=p%2Fw%26x%3D1', `url?key=${REDACTED}`],
    ['p/wd', 'url?key=p%2fwd', `url?key=${REDACTED}`],
    ['a b c d', 'key=a+b+c+d', `key=${REDACTED}`],
    ["it's!(me)", 'key=it%27s%21%28me%29', `key=${REDACTED}`],
    ['say "hi"', '{"k":"say \\"hi\\""}', `{"k":"${REDACTED}"}`],
    ['abc', 'abc, abcd, 1abc', `${REDACTED}, abcd, 1abc`],
    ['secret\n', 'value secret here', `value ${REDACTED} here`],
    ['', 'nothing', 'nothing'],
  ])('hides %j', (secret, text, expected) => {
    expect(redactor({ secrets: [secret] })(text)).toBe(expected);
  });

  it('replaces a secret that holds another one as a whole', () => {
    expect(redactor({ secrets: ['pass', 'password1'] })('password1 pass')).toBe(`${REDACTED} ${REDACTED}`);
  });
});

describe('withoutCredentials', () => {
  it.each([
    ['for age1abc,AGE-SECRET-KEY-1ZTHWGZUF', `for age1abc,${REDACTED}`],
    ['https://host:6333/?a=1&api-key=abc#x', `https://host:6333/?a=1&api-key=${REDACTED}#x`],
    ['/srv/age-secret-key-pq-1abc.txt', `/srv/${REDACTED}.txt`],
    ['redis://user:pw@host:6379/0', `redis://${REDACTED}@host:6379/0`],
    ['at https://token@host/x, retry', `at https://${REDACTED}@host/x, retry`],
    ['https://u:p@ss@host/', `https://${REDACTED}@host/`],
    ['https://host/path@x', 'https://host/path@x'],
    ['mail me@host', 'mail me@host'],
    ['http://a.b:1/?mail=x@y', 'http://a.b:1/?mail=x@y'],
  ])('%s', (text, expected) => {
    expect(withoutCredentials(text)).toBe(expected);
  });
});
