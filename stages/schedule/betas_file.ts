import { basename } from "node:path";
import { z } from "zod";
import { parseJson, parseRecord } from "../../artifacts/record.ts";
import type { StageContext, StageEnd } from "../../contract/stage.ts";
import { readNamedFile } from "../shared/named_file.ts";
import { MAX_TIMESTEPS } from "./params.ts";

/** The place of the file in the params, as its digest is called. */
const PARAM = 'betas["path"]';
/** A number takes at most 24 characters, and some go between two. */
const MAX_BYTES = MAX_TIMESTEPS * 32;

/**
 * Betas as they stand in a file: a list in JSON. Whether they are any is for `makeTables` to say.
 *
 * @throws FormatError for another file
 */
export async function readBetas(
  context: Pick<StageContext, "externals" | "downloads" | "stop" | "report" | "warn">,
  path: string,
): Promise<number[] | StageEnd> {
  const externals = { path: context.externals[PARAM]! };
  const file = await readNamedFile({ ...context, params: { path }, externals }, undefined, MAX_BYTES);
  if ("status" in file) return file;
  const name = basename(path);
  return parseRecord(
    name,
    parseJson(name, new TextDecoder().decode(file.bytes)),
    z.array(z.number()).max(MAX_TIMESTEPS),
  );
}
