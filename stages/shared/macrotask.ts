/** Between two looks at messages: a timer takes 2 ms in Deno, which is as long as some steps. */
const EVERY_MS = 200;
let lastMs = -EVERY_MS;

/**
 * Let the process read its messages, now and then. An engine may compute inside a promise without ever giving way to them. A
 * timer, because Deno gets through the whole of its input before one fires; after an immediate the input waits for many
 * more.
 */
export async function yieldToMessages(): Promise<void> {
  if (performance.now() - lastMs < EVERY_MS) return;
  await new Promise<void>((resolve) => setTimeout(resolve, 0));
  lastMs = performance.now();
}
