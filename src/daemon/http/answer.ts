/** What is sent back. */
export interface Answer {
  status: number;
  /** An object is sent as JSON. */
  body: object | string;
  headers?: Record<string, string>;
}

/** An answer that says no; also thrown, by what is asked on the way. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  /**
   * @param code a stable word for scripts
   * @param message in plain words, without secrets
   */
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }

  get answer(): Answer {
    return { status: this.status, body: errorBody(this.code, this.message), headers: this.headers };
  }
}

/** The one shape of all errors. Fields are only ever added. */
export function errorBody(code: string, message: string): { status: 'error'; code: string; message: string } {
  return { status: 'error', code, message };
}
