import { assertEquals } from "@std/assert";
import { isHarmed, tryAll } from "./kills.ts";
import { clusterAbsence } from "./support/slurm_cluster.ts";

const absence = clusterAbsence();

Deno.test({
  name: `${absence === undefined ? "" : `skipped: ${absence}: `}ten times faults at random lose nothing`,
  ignore: absence !== undefined,
  fn: async () => {
    const told: string[] = [];
    const results = await tryAll({ tries: 10, seed: 1, width: 5, log: (line) => told.push(line) });
    const harmed = results.filter(isHarmed);
    assertEquals(harmed, [], harmed.length === 0 ? "" : told.join("\n"));
    assertEquals(results.length, 10);
  },
});
