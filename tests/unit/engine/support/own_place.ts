import { join } from "node:path";
import { Grants } from "../../../../engine/run/rights.ts";
import { definitionOf } from "./own_kinds.ts";
import { makeTempFolder } from "./temp.ts";

const HELPED = 'import { one } from "./lib/one.ts";\nexport const two = one + 1;';

/** User definitions, and a module that one of them imports. */
export const FILES: Readonly<Record<string, string>> = {
  "net.ts": definitionOf("network", "depth: z.int().default(6)", HELPED),
  "lib/one.ts": "export const one = 1;\n",
  "path.ts": definitionOf("path"),
};

/** Makes a folder with the definitions. */
export async function makePlace() {
  const folder = await makeTempFolder();
  const { path } = folder;
  const write = (name: string, text: string) => {
    Deno.mkdirSync(join(path, name, ".."), { recursive: true });
    Deno.writeTextFileSync(join(path, name), text);
  };
  for (const [name, text] of Object.entries(FILES)) write(name, text);
  // A list of grants that no other test reads.
  const grants = new Grants(path, join(path, "grants.json"));
  const given = (id: string) => JSON.parse(Deno.readTextFileSync(join(path, `outputs/p/${id}/given.json`)));
  return { path, write, grants, given, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

/** Returns a pipeline in which some stages use the definitions, and some do not. */
export const yamlOf = ({ model = "./net.ts", depth = 6, more = "" } = {}) =>
  `name: p
stages:
  path: { uses: track, with: { uses: ./path.ts, timesteps: 1001 } }
  plain: { uses: track, with: { betas: a } }
  learn: { uses: learn, inputs: { track: path }, with: { model: { uses: ${model}, depth: ${depth} }${more} } }
  other: { uses: learn, inputs: { track: plain } }
  draw: { uses: draw, inputs: { learned: learn } }
  dull: { uses: draw, inputs: { learned: other } }
`;
