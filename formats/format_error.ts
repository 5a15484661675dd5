/** Bytes or text that are not in the format they should be in. Reading a broken file throws this and nothing else. */
export class FormatError extends Error {
  override readonly name = "FormatError";
  readonly got: string;
  readonly wanted: string;

  /** @param what was being read, e.g. "safetensors header" */
  constructor(
    readonly what: string,
    { got, wanted, cause }: { readonly got: string; readonly wanted: string; readonly cause?: unknown },
  ) {
    super(`${what}: got ${got}, wanted ${wanted}`, cause === undefined ? undefined : { cause });
    this.got = got;
    this.wanted = wanted;
  }
}
