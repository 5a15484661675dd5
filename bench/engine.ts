/**
 * What the engine itself costs, alone or beside other tools that bring a graph of stages up to date. Whole processes are
 * timed, as a user feels them; the tables are ready for docs/performance.md.
 *
 *     deno task bench:engine [--peers] [--only TOOLS] [--tries N] [--max STAGES]
 *
 * @module
 */
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { printLine } from "../cli/io.ts";
import { measureExtras } from "./support/engine_extras.ts";
import { type Contender, OURS, PEER_CONTENDERS } from "./support/engine_peers.ts";
import { printTable } from "./support/markdown.ts";
import { race } from "./support/race.ts";
import { SHAPES } from "./support/shapes.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    peers: { type: "boolean", default: false },
    only: { type: "string" },
    tries: { type: "string", default: "5" },
    max: { type: "string", default: "10000" },
  },
});
const [tries, max] = [Number(values.tries), Number(values.max)];

const contenders: Contender[] = [];
const only = values.only?.split(",");
const peers = PEER_CONTENDERS.filter(({ name }) => values.peers && only?.includes(name) !== false);
for (const contender of [OURS, ...peers]) {
  const version = await contender.version();
  printLine(`- ${contender.name} ${version ?? "is not installed"}`);
  if (version !== undefined) contenders.push(contender);
}
printLine(`- Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores, ${Deno.build.os}`);
const load = () => loadavg().map((one) => one.toFixed(1)).join(" ");
printLine(`- load before: ${load()}\n`);

const seconds = (time: number) => `${time.toFixed(time < 1 ? 3 : 1)} s`;
const rows = [["graph", "stages", "tool", "first run", "to ours", "no-op", "to ours", "peak memory of the no-op"]];
for (const [name, make] of Object.entries(SHAPES)) {
  for (const count of [100, 1_000, 10_000].filter((count) => count <= max)) {
    if (name === "fan" && count === 10_000) continue;
    const first = count === 10_000 ? 1 : Math.min(3, tries);
    const outcomes = await race(contenders, make(count), { first, noOp: tries });
    for (const [tool, outcome] of outcomes) {
      const figures = "without" in outcome ? [outcome.without, "", "", "", ""] : [
        seconds(outcome.first),
        outcome.firstRatio.toFixed(2),
        seconds(outcome.noOp),
        outcome.noOpRatio.toFixed(2),
        // What is gone before it can be looked at has no figure.
        outcome.peakMegabytes === 0 ? "" : `${outcome.peakMegabytes.toFixed(0)} MB`,
      ];
      rows.push([name, String(count), tool, ...figures]);
    }
  }
}
printTable(rows);
printLine();
const folder = await Deno.makeTempDir({ prefix: "noiseline-bench-" });
try {
  printTable(await measureExtras(join(folder, "extras"), { tries, max }));
} finally {
  await Deno.remove(folder, { recursive: true });
}
printLine(`\n- load after: ${load()}`);
