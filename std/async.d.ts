/** The part of `@std/async` that this project uses. The npm packing of the standard library carries no types. */
export function delay(ms: number, options?: { signal?: AbortSignal | undefined; persistent?: boolean }): Promise<void>;
