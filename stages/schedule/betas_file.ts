import { basename } from "node:path";
import { z } from "zod";
import { parseJson, parseRecord } from "../../artifacts/record.ts";
import type { StageContext, StageEnd } from "../../contract/stage.ts";
import { FormatError } from "../../formats/format_error.ts";
import { decodeNpy } from "../../formats/npy.ts";
import { readNamedFile } from "../shared/named_file.ts";
import { MAX_TIMESTEPS } from "./params.ts";

/** The place of the file in the params, as its digest is called. */
const PARAM = 'betas["path"]';
/** A number takes at most 24 characters, and some go between two. */
const MAX_BYTES = MAX_TIMESTEPS * 32;
/** The first byte of a .npy file, which no JSON has. */
const NPY = 0x93;

/**
 * Betas as they stand in a file: a list in JSON, or a vector of NumPy. Whether they are any is for `makeTables` to say.
 *
 * @throws FormatError for another file
 */
export async function readBetas(
  context: Pick<StageContext, "externals" | "downloads" | "stop" | "report" | "warn">,
  path: string,
): Promise<ArrayLike<number> | StageEnd> {
  const externals = { path: context.externals[PARAM]! };
  const file = await readNamedFile({ ...context, params: { path }, externals }, undefined, MAX_BYTES);
  if ("status" in file) return file;
  const name = basename(path);
  if (file.bytes[0] !== NPY) {
    const listed = z.array(z.number()).max(MAX_TIMESTEPS);
    return parseRecord(name, parseJson(name, new TextDecoder().decode(file.bytes)), listed);
  }
  const { shape, data } = decodeNpy(file.bytes);
  if (
    shape.length === 1 && data.length <= MAX_TIMESTEPS &&
    (data instanceof Float32Array || data instanceof Float64Array)
  ) return data;
  const got = `${data.constructor.name} of shape (${shape.join(", ")})`;
  throw new FormatError(name, { got, wanted: `float32 or float64 of shape (T,), T at most ${MAX_TIMESTEPS}` });
}
