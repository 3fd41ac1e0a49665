/** A user that owns nothing, on every Linux. */
const NOBODY = 65_534;

/** Runs something as a user whom file permissions stop; the superuser is stopped by none. */
export async function unprivileged(run: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return run();
  process.seteuid?.(NOBODY);
  try {
    await run();
  } finally {
    process.seteuid?.(0);
  }
}
