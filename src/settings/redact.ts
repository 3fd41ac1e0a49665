/** What stands in place of a secret. */
export const REDACTED = '‹redacted›';

/** Secrets below this length are replaced as whole words only: a password "1" must not eat every digit. */
const SHORT = 4;

/**
 * A function that replaces every secret in a text by ‹redacted›: as it is, URL-encoded, and as it stands inside
 * a JSON string; and what stands before the "@" of a URL.
 */
export function redactor({ secrets }: { readonly secrets: readonly string[] }): (text: string) => string {
  const forms = new Set(secrets.filter((secret) => secret !== '').flatMap(formsOf));
  // Longest first, so that a secret that contains another one goes as a whole.
  const patterns = [...forms].sort((a, b) => b.length - a.length).map(patternOf);
  if (patterns.length === 0) return withoutCredentials;
  const all = new RegExp(patterns.join('|'), 'gu');
  return (text) => withoutCredentials(text.replace(all, REDACTED));
}

/**
 * Replaces what is a secret by its form, wherever it stands: user and password of every URL
 * ("redis://user:pw@host:6379/0" becomes "redis://‹redacted›@host:6379/0"), what its query calls a key, token, secret or
 * password, and secret keys of age.
 */
export function withoutCredentials(text: string): string {
  return text
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#"'<>]*@/gi, `$1${REDACTED}@`)
    .replace(/([?&][^\s=&#]*(?:key|token|secret|password)=)[^\s&#"'<>]+/gi, `$1${REDACTED}`)
    .replace(/AGE-SECRET-KEY-[A-Z0-9-]*/gi, REDACTED);
}

function formsOf(secret: string): string[] {
  const forms = [secret, secret.trim(), JSON.stringify(secret).slice(1, -1)];
  // A lone surrogate cannot be URL-encoded, so it cannot stand in a URL either.
  if (secret.isWellFormed()) {
    const encoded = encodeURIComponent(secret);
    forms.push(
      encoded,
      encodeURI(secret),
      strictlyEncoded(encoded),
      new URLSearchParams({ s: secret }).toString().slice(2),
    );
    forms.push(...forms.slice(3).map((form) => form.replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase())));
  }
  return forms.filter((form) => form !== '');
}

/** RFC 3986: also the five characters that encodeURIComponent leaves. */
function strictlyEncoded(encoded: string): string {
  return encoded.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function patternOf(form: string): string {
  const literal = form.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  return form.length < SHORT ? `(?<![\\p{L}\\p{N}_])${literal}(?![\\p{L}\\p{N}_])` : literal;
}
