/** Minimum time between two reads of messages: a timer takes 2 ms in Deno, which is as long as some steps. */
const EVERY_MS = 200;
let lastMs = -EVERY_MS;

/**
 * Lets the process read its messages from time to time. An engine may compute inside a promise without ever yielding to
 * them. A timer is used, because Deno reads all of its input before a timer fires; with an immediate, the input waits
 * for many more.
 */
export async function yieldToMessages(): Promise<void> {
  if (performance.now() - lastMs < EVERY_MS) return;
  await new Promise<void>((resolve) => setTimeout(resolve, 0));
  lastMs = performance.now();
}
