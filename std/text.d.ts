/** The part of `@std/text` that this project uses. The npm packing of the standard library carries no types. */
export function levenshteinDistance(str1: string, str2: string): number;
