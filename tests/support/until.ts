/**
 * Waits for a condition to hold, however busy the machine is.
 * @throws if it does not hold within a minute, a limit that only separates slow machines from conditions that never
 *   hold
 */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!await holds()) {
    if (performance.now() > deadline) throw new Error(`waited a minute for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
