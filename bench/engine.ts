/**
 * What the engine itself costs, alone or beside other tools that bring a graph of stages up to date. Whole processes are
 * timed, as a user feels them; the tables are ready for docs/performance.md.
 *
 *     deno task bench:engine [--peers] [--only TOOLS] [--tries N] [--max STAGES]
 *
 * @module
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { printLine } from "../cli/io.ts";
import { makeTemporaryFolder } from "../engine/store/folders.ts";
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

const rows = [["graph", "stages", "tool", "first run", "to ours", "no-op", "to ours", "peak memory of the no-op"]];
for (const [name, make] of Object.entries(SHAPES)) {
  for (const count of [100, 1_000, 10_000].filter((count) => count <= max)) {
    if (name === "fan" && count === 10_000) continue;
    const first = count === 10_000 ? 1 : Math.min(3, tries);
    const raced = await race(contenders, make(count), { first, noOp: tries });
    rows.push(...raced.map((row) => [name, String(count), ...row]));
  }
}
printTable(rows);
printLine();
await using temporary = await makeTemporaryFolder();
printTable(await measureExtras(temporary.folder, { tries, max }));
printLine(`\n- load after: ${load()}`);
