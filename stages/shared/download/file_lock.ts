const POLL_MS = 200;

/**
 * Do something while no other process does it. The kernel frees the lock of a process that dies; the file stays, since
 * removing it would let two hold locks on two files of one name.
 *
 * @returns undefined when the user asked to stop first
 */
export async function withFileLock<T>(
  path: string,
  stop: AbortSignal,
  work: () => Promise<T>,
): Promise<T | undefined> {
  using file = await Deno.open(path, { read: true, write: true, create: true });
  while (!await file.tryLock(true)) {
    if (stop.aborted) return undefined;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  try {
    return await work();
  } finally {
    await file.unlock();
  }
}
