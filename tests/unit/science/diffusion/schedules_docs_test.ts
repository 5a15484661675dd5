// Checks the table of docs/schedules.md: shortest and longest T of each family, and the prior KL at T = 1000.
import { assertEquals } from "@std/assert";
import { makeBetas, type ScheduleName } from "../../../../science/diffusion/schedule/betas.ts";
import { makeTables, priorKlBitsPerDim } from "../../../../science/diffusion/schedule/tables.ts";

const docs = await Deno.readTextFile(new URL("../../../../docs/schedules.md", import.meta.url));

/** L_T in bits per dimension above which a stage warns, according to the document. */
const ENOUGH = 1e-4;

Deno.test("L_T at T = 1000 and the shortest T are those of the table in docs/schedules.md", () => {
  const klOf = (name: ScheduleName, timesteps: number) => priorKlBitsPerDim(makeTables(makeBetas({ name, timesteps })));
  const rows = docs.slice(docs.indexOf("| `betas`                        | shortest T")).split("\n").slice(2);
  let seen = 0;
  for (const row of rows.slice(0, rows.indexOf(""))) {
    const [names, shortest, , kl] = row.split("|").slice(1, -1).map((cell) => cell.trim());
    for (const [, name] of names!.matchAll(/`([^`]+)`/g)) {
      const least = Number(shortest!.replace(",", ""));
      const written = kl === "0" ? 0 : Number(klOf(name as ScheduleName, 1000).toExponential(1));
      assertEquals(written, Number(kl), `${name}, L_T at T = 1000`);
      const around = [least - 1, least].map((timesteps) =>
        timesteps > 0 && klOf(name as ScheduleName, timesteps) <= ENOUGH
      );
      assertEquals(around, [false, true], `${name}, shortest T`);
      seen += 1;
    }
  }
  assertEquals(seen, 11);
});
