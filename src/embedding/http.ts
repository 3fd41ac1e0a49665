import { ProviderError } from './provider-error.js';
import { retryAfterMs } from './retry-after.js';

/** Where a provider is, and by which settings a person can change that. */
export interface Endpoint {
  /** The whole address of the call; user and password in it are sent as basic authorization. */
  readonly url: string;
  readonly apiKey: string | null;
  /** For the whole call, from the connection to the last byte. */
  readonly timeoutMs: number;
  readonly hints: {
    readonly credentials: string;
    readonly address: string;
    /** For an address that answers, but does not know the model or the path. */
    readonly model: string;
    readonly timeout: string;
  };
}

/** What a provider says when a text, not the request as a whole, is what it does not take. */
const ABOUT_TEXT =
  /too long|too large|too many tokens|max(?:imum)?(?: allowed)? (?:context|sequence|input|tokens|length)|context length|exceed\w* .*(?:token|length|limit|context)|tokens? .*exceed|input.*(?:empty|invalid)|invalid.*input|unsupported value: NaN/i;

/**
 * Posts JSON and reads the JSON of the answer.
 *
 * @throws ProviderError with its trouble; the reason of `signal` once it is aborted.
 */
export async function postJson(endpoint: Endpoint, body: unknown, signal: AbortSignal): Promise<unknown> {
  const { url, headers } = addressed(endpoint);
  const limit = AbortSignal.timeout(endpoint.timeoutMs);
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, limit]),
    });
    text = await response.text();
  } catch (error) {
    signal.throwIfAborted();
    throw limit.aborted ? timedOut(endpoint) : networkError(endpoint, url, error);
  }
  if (!response.ok) throw httpError(endpoint, url, response, text);
  return parsed(endpoint, url, text);
}

function addressed({ url, apiKey }: Endpoint): { url: string; headers: Record<string, string> } {
  const headers: Record<string, string> = { 'content-type': 'application/json', accept: 'application/json' };
  const address = new URL(url);
  const { username, password } = address;
  address.username = '';
  address.password = '';
  if (apiKey !== null) headers['authorization'] = `Bearer ${apiKey}`;
  else if (username !== '' || password !== '') {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    headers['authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  return { url: address.href, headers };
}

function timedOut({ timeoutMs, hints }: Endpoint): ProviderError {
  return new ProviderError({
    trouble: 'timeout',
    reason: `no answer within ${timeoutMs / 1000} s`,
    hint: hints.timeout,
  });
}

function networkError({ hints }: Endpoint, url: string, error: unknown): ProviderError {
  const { code, message } = rootCause(error);
  const host = new URL(url).host;
  const unreachable: Record<string, string> = {
    ECONNREFUSED: `nothing listens at ${host}`,
    ENOTFOUND: `the name of ${host} cannot be resolved`,
    EAI_AGAIN: `the name of ${host} cannot be resolved for now`,
    EHOSTUNREACH: `there is no way to ${host}`,
    ENETUNREACH: `there is no way to ${host}`,
    UND_ERR_CONNECT_TIMEOUT: `${host} does not take the connection`,
  };
  const gone = unreachable[code];
  if (gone !== undefined) {
    const proxy = 'Behind a proxy set HTTPS_PROXY and NODE_USE_ENV_PROXY=1.';
    return new ProviderError({ trouble: 'unreachable', reason: gone, hint: `${hints.address} ${proxy}` });
  }
  if (/CERT|SSL|TLS|EPROTO|SELF_SIGNED|UNABLE_TO_/.test(code)) {
    return new ProviderError({
      trouble: 'setup',
      reason: `the TLS handshake with ${host} failed: ${message}`,
      hint: 'Check http or https in the address; for a private authority set NODE_EXTRA_CA_CERTS to its PEM file.',
    });
  }
  const detail = code === '' ? message : code;
  return new ProviderError({
    trouble: 'server',
    reason: `the connection to ${host} broke (${detail})`,
    hint: hints.address,
  });
}

/** fetch wraps the socket's error, sometimes twice. */
function rootCause(error: unknown): { code: string; message: string } {
  let current = error;
  for (let depth = 0; depth < 5 && current instanceof Error; depth++) {
    const { code } = current as { code?: unknown };
    if (typeof code === 'string') return { code, message: current.message };
    if (current.cause === undefined) break;
    current = current.cause;
  }
  return { code: '', message: current instanceof Error ? current.message : String(current) };
}

function httpError(endpoint: Endpoint, url: string, response: Response, body: string): ProviderError {
  const { status } = response;
  const { hints } = endpoint;
  const said = messageOf(endpoint, body);
  const reason = `HTTP ${status}${said === '' ? '' : `: ${said}`}`;
  const aboutText = ABOUT_TEXT.test(said);
  // The provider repeats parts of a wrong key: its words on 401 are left out.
  if (status === 401)
    return new ProviderError({
      trouble: 'credentials',
      reason: 'the key is refused (HTTP 401)',
      hint: hints.credentials,
    });
  if (status === 403) return new ProviderError({ trouble: 'credentials', reason, hint: hints.credentials });
  if (status === 402 || (status === 429 && /insufficient_quota|billing/i.test(body)))
    return new ProviderError({ trouble: 'quota', reason, hint: 'Look at the account with the provider.' });
  if (status === 413) return new ProviderError({ trouble: 'too-big', reason, hint: hints.model, aboutText });
  // Ollama says 500 for a text that it cannot take.
  if (status === 400 || status === 422 || (status === 500 && aboutText))
    return new ProviderError({ trouble: 'refused', reason, hint: hints.model, aboutText });
  // A gateway in between has a time limit of its own.
  if (status === 504 || status === 524)
    return new ProviderError({ trouble: 'timeout', reason, hint: hints.timeout });
  if (status === 429 || status === 408 || status >= 500)
    return new ProviderError({
      trouble: status === 429 ? 'busy' : 'server',
      reason,
      hint: 'Wait a while, then run the command again.',
      retryAfterMs: retryAfterMs(response.headers, Date.now()),
    });
  return new ProviderError({ trouble: 'setup', reason: `${reason} at ${url}`, hint: hints.model });
}

/** What the provider says, in one line: `{error: {message}}`, `{error}`, `{detail}`, or the text. */
function messageOf({ apiKey }: Endpoint, body: string): string {
  let said: unknown = body;
  try {
    const { error, detail } = JSON.parse(body) as {
      error?: { message?: unknown } | string;
      detail?: unknown;
    };
    said = (typeof error === 'object' ? error.message : error) ?? detail ?? body;
  } catch {
    // The text itself, then: a page of a gateway, say.
  }
  const line = (typeof said === 'string' ? said : JSON.stringify(said)).replaceAll(/\s+/g, ' ').trim();
  const harmless = apiKey === null || apiKey === '' ? line : line.replaceAll(apiKey, '…');
  return harmless.length > 200 ? `${harmless.slice(0, 200)}…` : harmless;
}

function parsed({ hints }: Endpoint, url: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Python writes NaN into JSON, where it does not belong.
    const hasNaN = /\b(?:NaN|Infinity)\b/.test(text);
    throw new ProviderError({
      trouble: 'malformed',
      reason: hasNaN
        ? 'its answer holds NaN, which is not a number'
        : `what answers at ${url} does not speak JSON`,
      hint: hasNaN ? 'The model is at fault: look at the log of the provider.' : hints.address,
    });
  }
}
