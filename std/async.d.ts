/** The part of `@std/async` that this project uses. The npm packing of the standard library carries no types. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T>;
export function delay(ms: number, options?: { signal?: AbortSignal | undefined; persistent?: boolean }): Promise<void>;
