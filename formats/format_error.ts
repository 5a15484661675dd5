/** Bytes or text that are not in the format they should be in. Reading a broken file throws this and nothing else. */
export class FormatError extends Error {
  override readonly name = "FormatError";
  /** What was being read, e.g. "safetensors header". */
  readonly what: string;
  readonly got: string;
  readonly wanted: string;

  constructor(what: string, details: { readonly got: string; readonly wanted: string; readonly cause?: unknown }) {
    const { got, wanted, cause } = details;
    super(`${what}: got ${got}, wanted ${wanted}`, cause === undefined ? undefined : { cause });
    this.what = what;
    this.got = got;
    this.wanted = wanted;
  }
}
