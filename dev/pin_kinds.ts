// deno-lint-ignore-file no-console -- a tool prints what it finds
/**
 * Pins the code of every built-in kind, and the code that a custom stage may use, beside its version in
 * tests/golden/kind_versions.json.
 *
 *     deno run -A dev/pin_kinds.ts                                # after a version was raised
 *     deno run -A dev/pin_kinds.ts train --same-bytes "renamed"   # the code changed, its results did not
 *
 * Without kinds, `--same-bytes` applies to all kinds whose code changed.
 *
 * @module
 */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BUILTIN_KINDS } from "noiseline/engine";
import { API_VERSION } from "../engine/process/code_digest.ts";
import { digestModules } from "./kinds/module_digest.ts";
import { type KindFacts, type KindPins, STAGE_API, updatePins } from "./kinds/pins.ts";
import { readTree } from "./layers/module_graph.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const PINS_FILE: URL = new URL("../tests/golden/kind_versions.json", import.meta.url);

/** Returns the current version and code of every built-in kind, and of the code that a custom stage may use. */
export async function readKindFacts(): Promise<KindFacts> {
  const doors = ["../mod.ts", "../science/diffusion/layers.ts"].map((door) => new URL(door, import.meta.url).href);
  const api = { version: API_VERSION, entry: doors, browser: [] };
  const files = await readTree(ROOT);
  const all = Object.entries({ ...BUILTIN_KINDS, [STAGE_API]: api }).map(
    async ([name, { version, entry, browser = [] }]) => {
      const paths = [entry, browser].flat(2).map((one) => relative(ROOT, fileURLToPath(one)).replaceAll("\\", "/"));
      return [name, { version, code: await digestModules(ROOT, paths, files) }] as const;
    },
  );
  return Object.fromEntries(await Promise.all(all));
}

export async function readPins(): Promise<KindPins> {
  return JSON.parse(await Deno.readTextFile(PINS_FILE)) as KindPins;
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    options: { "same-bytes": { type: "string" } },
    allowPositionals: true,
  });
  const facts = await readKindFacts();
  const kinds = new Set(positionals.length > 0 ? positionals : Object.keys(facts));
  const updated = updatePins(await readPins(), facts, { kinds, reason: values["same-bytes"] });
  if ("problems" in updated) {
    for (const problem of updated.problems) console.error(problem);
    Deno.exit(1);
  }
  await Deno.writeTextFile(PINS_FILE, `${JSON.stringify(updated.pins, null, 2)}\n`);
}
