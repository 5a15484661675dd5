import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { makeTempFolder } from "../engine/support/temp.ts";
import { runCli } from "./capture.ts";

const YAML = `name: small
stages:
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 100 } }
`;

/** Makes a pipeline that has run and is tagged, and the command line with its store. */
export async function makeRan() {
  const folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  Deno.writeTextFileSync(file, YAML);
  const store = join(folder.path, ".noiseline");
  const cli = async (...args: string[]) => {
    const { code, out, error } = await runCli(...args.map((one) => one.replace(/^@/, `${folder.path}/`)));
    assert(!/internal error|\n\s+at /.test(error), `${args.join(" ")}: ${error}`);
    return { code, said: out + error };
  };
  assertEquals((await cli("run", file)).code, 0);
  assertEquals((await cli("tag", "good", file)).code, 0);
  return { folder: folder.path, store, cli, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}
