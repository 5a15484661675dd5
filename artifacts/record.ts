import type { z } from "zod";
import type { InputArtifact, OutputArtifact } from "../engine/contract/stage.ts";
import { FormatError, shown } from "../science/formats/format_error.ts";
import { firstNotFinite } from "../science/metrics/vectors.ts";
import { wantedBy } from "../schemas/zod_def.ts";

/** A larger file is not the description of an artifact. */
const MAX_JSON_BYTES = 64 << 20;

/** Reads a JSON file of an artifact. @throws FormatError when it is missing or does not match the schema */
export async function readJson<S extends z.ZodType>(
  artifact: Pick<InputArtifact, "files" | "readText">,
  name: string,
  schema: S,
): Promise<z.output<S>> {
  const file = fileOf(artifact, name);
  if (file.size > MAX_JSON_BYTES) {
    throw new FormatError(name, { got: `${file.size} bytes`, wanted: `at most ${MAX_JSON_BYTES}` });
  }
  return parseRecord(name, parseJson(name, await artifact.readText(name)), schema);
}

/** @throws FormatError for bytes that are not text */
export function decodeText(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError(name, { got: "bytes that are not UTF-8", wanted: "text in UTF-8", cause });
  }
}

/** Texts, which may hold any word, and the numbers that Python's json writes and JSON does not have. */
const TEXTS_AND_NON_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g;

/** @throws FormatError for text that is not JSON */
export function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const bad = text.matchAll(TEXTS_AND_NON_NUMBERS).find(([found]) => !found.startsWith('"'));
    if (bad !== undefined) {
      const got = `${bad[0]} in line ${text.slice(0, bad.index).split("\n").length}, which JSON does not have`;
      throw new FormatError(name, { got, wanted: "finite numbers", cause });
    }
    const place = / \(line \d+ column \d+\)/.exec((cause as Error).message)?.[0] ?? "";
    throw new FormatError(name, { got: `text that is not JSON${place}`, wanted: "JSON", cause });
  }
}

/** Writes a JSON file. @throws FormatError for a value that its readers would refuse */
export async function writeJson<S extends z.ZodType>(
  output: OutputArtifact,
  name: string,
  value: z.input<S>,
  schema: S,
): Promise<void> {
  await output.write(name, jsonText(parseRecord(name, value, schema)));
}

/** Reads the bytes of a file. @throws FormatError when it is missing */
export async function readBytes(artifact: Pick<InputArtifact, "files" | "read">, name: string) {
  return await artifact.read(fileOf(artifact, name).path);
}

/** @throws FormatError that lists everything that is wrong with a record */
export function parseRecord<S extends z.ZodType>(name: string, value: unknown, schema: S): z.output<S> {
  const parsed = schema.safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  const [first, ...rest] = parsed.error.issues.map(({ path, input, message }) => {
    const at = path.map((part) => typeof part === "number" ? `[${part}]` : `.${String(part)}`).join("");
    return { at: at.replace(/^\./, ", "), got: shown(input), wanted: wantedBy(message) };
  });
  const also = rest.slice(0, 4).map(({ at, got, wanted }) => `; ${at.replace(", ", "")}: got ${got}, wanted ${wanted}`);
  if (rest.length > 4) also.push(`; and ${rest.length - 4} more`);
  throw new FormatError(name + first!.at, { ...first!, wanted: first!.wanted + also.join("") });
}

/** @throws FormatError when the artifact has no such file */
export function fileOf({ files }: Pick<InputArtifact, "files">, name: string): InputArtifact["files"][number] {
  const file = files.find(({ path }) => path === name);
  if (file !== undefined) return file;
  const names = files.slice(0, 8).map(({ path }) => path).join(", ");
  throw new FormatError(name, { got: names === "" ? "no file" : `only ${names}`, wanted: "a file of this name" });
}

/** @throws FormatError for weights that are not finite, which would make every output of a network NaN */
export function checkWeights(where: string, weights: Float32Array): void {
  const bad = firstNotFinite(weights);
  if (bad >= 0) throw new FormatError(where, { got: `${weights[bad]} as weight ${bad}`, wanted: "finite numbers" });
}

/**
 * Returns the result of `make`.
 *
 * @throws FormatError about `what` if `make` throws a FormatError, or a RangeError, whose message says what is wrong
 * with its arguments
 */
export function checked<T>(what: string, make: () => T): T {
  const refuse = (cause: unknown): never => {
    if (cause instanceof FormatError) throw new FormatError(`${what}, ${cause.what}`, cause);
    if (!(cause instanceof RangeError)) throw cause;
    const [, about, got, wanted] = /^(.*?): got (.*), wanted (.*)$/.exec(cause.message) ?? [];
    if (wanted !== undefined) throw new FormatError(`${what}, ${about}`, { got: got!, wanted, cause });
    throw new FormatError(what, { got: cause.message, wanted: "what fits the rest of the artifact", cause });
  };
  try {
    const made = make();
    return made instanceof Promise ? made.catch(refuse) as T : made;
  } catch (cause) {
    return refuse(cause);
  }
}

/**
 * Formats JSON as it is written into artifacts: indented, one line end. Keys keep their order, so equal values give
 * equal bytes.
 */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
