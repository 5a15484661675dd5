/** Names in a file may be as long as the file; so much of one is shown. */
const cut = (text: string, most = 500) => text.length > most ? `${text.slice(0, most)}…` : text;

/** Returns a value as messages show it, cut where it gets long. */
export function shown(value: unknown): string {
  return cut(typeof value === "number" ? String(value) : JSON.stringify(value) ?? "nothing", 80);
}

/** Thrown for bytes or text that are not in the expected format. Reading a broken file throws this and nothing else. */
export class FormatError extends Error {
  override readonly name = "FormatError";
  readonly got: string;
  readonly wanted: string;
  /** Advice on what to do, if there is any. */
  readonly fix: string | undefined;

  /** @param what what was being read, e.g. "safetensors header" */
  constructor(
    readonly what: string,
    { got, wanted, cause, fix }: {
      readonly got: string;
      readonly wanted: string;
      readonly cause?: unknown;
      readonly fix?: string | undefined;
    },
  ) {
    super(`${cut(what)}: got ${cut(got)}, wanted ${cut(wanted)}`, cause === undefined ? undefined : { cause });
    this.got = got;
    this.wanted = wanted;
    this.fix = fix;
  }
}

/**
 * Refuses bytes or text that are not in the expected format.
 * @param what what was being read @param cause the error by which that was found, if there is one
 */
export function refuse(what: string, got: string, wanted: string, cause?: unknown): never {
  throw new FormatError(what, { got, wanted, cause });
}
