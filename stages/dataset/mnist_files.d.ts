/** One file per digit; `data` holds its images one after the other, 28 x 28 each, in [0, 1] rounded to 3 decimals. */
export const digitFiles: readonly { readonly data: readonly number[] }[];
