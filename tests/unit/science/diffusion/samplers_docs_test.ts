// Checks the tables of docs/samplers.md that list errors for data N(0, 0.25), whose exact network has a closed form.
import { assertEquals } from "@std/assert";
import { chainPath } from "../../../../science/diffusion/path.ts";
import { makeBetas } from "../../../../science/diffusion/schedule/betas.ts";
import { makeTables } from "../../../../science/diffusion/schedule/tables.ts";
import oracle from "../../../golden/diffusers/schedulers.json" with { type: "json" };
import { timesOf, walkHost } from "../../../support/walk_host.ts";
import { assertClose } from "./assert_close.ts";
import { outputDeviation } from "./exact_chain.ts";

const DATA = 0.5;
const path = chainPath(makeTables(makeBetas({ name: "ho/linear", timesteps: 1000 })));
const docs = await Deno.readTextFile(new URL("../../../../docs/samplers.md", import.meta.url));

/** Returns the rows of the table whose header begins with a text: by their first cell, the others as numbers. */
function tableOf(head: string): Map<string, number[]> {
  const lines = docs.slice(docs.indexOf(`\n| ${head}`) + 1).split("\n");
  const rows = lines.slice(0, lines.findIndex((line) => line === "")).map((line) => {
    const [first, ...cells] = line.split("|").slice(1, -1).map((cell) => cell.trim());
    return [first!, cells.map((cell) => Number(cell.replace("−", "-")))] as const;
  });
  return new Map(rows);
}

async function errorOf(sampler: Record<string, unknown>): Promise<number> {
  return await outputDeviation(sampler, { path, dataVariance: DATA ** 2 }) - DATA;
}

/** Rounded as in the document. Images are float32, which changes an error by less than 1e-6. */
const written = (errors: readonly number[]) => errors.map((error) => Number(error.toFixed(4)));

Deno.test("errors by evaluations are those of the samplers, which ask the network as often as is written", async () => {
  const table = tableOf("evaluations");
  const rows = { ddim: "`ddim`, `trailing`, eta 0", "dpmpp-2m": "`dpmpp-2m`, `trailing`", heun: "`heun`" };
  for (const [name, row] of Object.entries(rows)) {
    const errors: number[] = [];
    for (const [i, wanted] of table.get("evaluations")!.entries()) {
      const sampler = { name, steps: name === "heun" ? [9, 18, 36, 72][i] : wanted };
      const { asked } = await walkHost(sampler, { path, predictX0: () => 0, start: [1] });
      assertEquals(asked.length, wanted, `${name}, ${sampler.steps} steps`);
      errors.push(await errorOf(sampler));
    }
    assertEquals(table.get(row), written(errors));
  }
});

Deno.test("ddim has the errors of diffusers where T is a multiple of the steps, and else those that are written", async () => {
  const [own, theirs]: [number[], number[]] = [[], []];
  for (const { steps, deviation } of oracle.deviations) {
    const times = timesOf({ name: "ddim", steps }, path);
    const error = await errorOf({ name: "ddim", steps });
    // The betas of diffusers are float32, and so are the images here.
    if (1000 % steps === 0) assertClose(error, deviation - DATA, { abs: 2e-6, label: `${times}` });
    else {
      own.push(error);
      theirs.push(deviation - DATA);
    }
  }
  const table = tableOf("steps of 1,000");
  assertEquals(table.get("`ddim`"), written(own));
  assertEquals(table.get(`diffusers ${oracle.diffusers}`), written(theirs));
});
