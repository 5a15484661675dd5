import { assert, assertEquals } from "@std/assert";
import { load } from "../../support/load.ts";
import { makeTempFolder } from "../../support/temp.ts";
import { SEARCH_KINDS } from "../../support/search_kinds.ts";

/** Names that every object without a dictionary's care answers to. */
const NAMES = [...Object.getOwnPropertyNames(Object.prototype), "then"];

const IN: Readonly<Record<string, (name: string) => string>> = {
  stage: (name) => `name: odd\nstages:\n  ${name}: { uses: walk, with: { steps: 1 } }\n`,
  var: (name) =>
    `name: odd\nvars: { ${name}: 1 }\nstages:\n  one: { uses: walk, with: { steps: "\${vars.${name}}" } }\n`,
  axis: (name) =>
    `name: odd\nstages:\n  one: { uses: walk, matrix: { ${name}: [1, 2] }, with: { steps: "\${matrix.${name}}" } }\n`,
  param: (name) => `name: odd\nstages:\n  one: { uses: walk, with: { steps: 1, ${name}: 2 } }\n`,
  port: (name) => `name: odd\nstages:\n  one: { uses: walk, inputs: { ${name}: one }, with: { steps: 1 } }\n`,
};
/** The number of stages where a name is taken; a kind has neither a param nor a port of such a name. */
const STAGES: Readonly<Record<string, number>> = { stage: 1, var: 1, axis: 2 };

for (const [place, write] of Object.entries(IN)) {
  Deno.test(`a name of Object.prototype as ${place} is kept, or refused by name`, async () => {
    await using folder = await makeTempFolder();
    for (const name of NAMES) {
      const loaded = await load(folder.path, write(name), [], SEARCH_KINDS);
      if (loaded.ok) assertEquals(loaded.value.stages.size, STAGES[place], name);
      else assert(loaded.diagnostics.some((one) => JSON.stringify(one).includes(name)), name);
      // A name without capitals and lines fits every pattern.
      if (["constructor", "then"].includes(name)) assertEquals(loaded.ok, place in STAGES, name);
    }
  });
}
