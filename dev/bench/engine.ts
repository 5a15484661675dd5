/**
 * Measures the cost of the engine itself, alone or compared with other tools that bring a graph of stages up to date.
 * Whole processes are timed, as a user experiences them; the tables are ready for docs/performance.md.
 *
 *     deno task bench:engine [--peers | --only TOOL,TOOL] [--tries N] [--max 100|1000|10000]
 *
 * @module
 */
import { loadavg } from "node:os";
import { printLine } from "../../cli/io.ts";
import { makeTemporaryFolder } from "../../engine/store/folders.ts";
import { measureExtras } from "./support/engine_extras.ts";
import { type Contender, OURS, PEER_CONTENDERS } from "./support/engine_peers.ts";
import { printTable } from "./support/measure.ts";
import { COUNT, listOf, readOptions, SWITCH } from "./support/options.ts";
import { race } from "./support/race.ts";
import { SHAPES } from "./support/shapes.ts";

const { peers, only, tries, max: maxima } = await readOptions(import.meta.url, {
  peers: SWITCH,
  only: listOf(PEER_CONTENDERS.map(({ name }) => name)).optional(),
  tries: COUNT.default(5),
  max: listOf(["100", "1000", "10000"]).default(["10000"]),
});
const max = Math.max(...maxima.map(Number));

const contenders: Contender[] = [];
for (const contender of [OURS, ...PEER_CONTENDERS]) {
  if (contender !== OURS && !(only?.includes(contender.name) ?? peers)) continue;
  const version = await contender.version();
  printLine(`- ${contender.name} ${version ?? "is not installed"}`);
  if (version !== undefined) contenders.push(contender);
}
printLine(`- Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores, ${Deno.build.os}`);
const load = () => loadavg().map((one) => one.toFixed(1)).join(" ");
printLine(`- load before: ${load()}\n`);

const rows = [["graph", "stages", "tool", "first run", "ratio", "no-op", "ratio", "peak memory of the no-op"]];
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
