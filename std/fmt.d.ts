/** The part of `@std/fmt` that this project uses. The npm packing of the standard library carries no types. */
export function format(num: number, options?: { binary?: boolean; maximumFractionDigits?: number }): string;
