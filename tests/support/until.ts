/**
 * Wait for something to hold, however busy the machine is.
 * @throws where it does not within a minute, which only tells the slow from what never comes
 */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited a minute for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
