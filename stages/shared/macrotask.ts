/**
 * Let the process read its messages. An engine may compute inside a promise without ever giving way to them. A timer,
 * because Deno gets through the whole of its input before one fires; after an immediate the input waits for many more.
 */
export async function yieldToMessages(): Promise<void> {
  await new Promise<void>((resolve) => setTimeout(resolve, 0));
}
