/**
 * Measures every operation on one pipeline of several sizes: the CPU time of its process, which other work on the
 * machine changes little, and its peak memory. The power p says that the time grows like nᵖ between the two largest
 * sizes; the time of fifty stages is taken off before.
 *
 *     deno task bench:scale [--sizes 1000,3000,10000]
 *
 * @module
 */
import { cpuUsage } from "node:process";
import { join } from "node:path";
import { z } from "zod";
import { Site } from "../../pages/server/site.ts";
import { makeTemporaryFolder } from "../../engine/store/folders.ts";
import { renderServed } from "../../pages/mod.ts";
import { makeProject } from "./support/engine_extras.ts";
import { OURS } from "./support/engine_peers.ts";
import { measure, printTable } from "./support/measure.ts";
import { readOptions } from "./support/options.ts";
import { mixOf } from "./support/shapes.ts";

const LEAST = 50;
const size = z.string().regex(/^[1-9]\d{1,5}0$/, "wanted a multiple of 10 from 100").transform(Number);
const { sizes } = await readOptions(import.meta.url, {
  sizes: z.string().default("1000,3000,10000").transform((text) => text.split(",")).pipe(z.array(size).min(2)),
});

const OPERATIONS: Readonly<Record<string, string>> = {
  "validate": "validate pipeline.yaml",
  "plan, nothing done": "plan pipeline.yaml",
  "run, first": "run pipeline.yaml",
  "run, all cached": "run pipeline.yaml",
  "run, one new": "run pipeline.yaml --set s9.value=-1",
  "run, back to the first": "run pipeline.yaml",
  "plan, all cached": "plan pipeline.yaml",
  ...{ "why": "why pipeline.yaml s9", "show": "show pipeline.yaml", "graph": "graph pipeline.yaml" },
  ...{ "status": "status pipeline.yaml", "runs": "runs", "report": "report pipeline.yaml" },
  ...{ "compare": "compare pipeline.yaml", "metrics": "metrics pipeline.yaml", "tag": "tag kept pipeline.yaml" },
  ...{ "export": "export pipeline.yaml -o exported", "import": "import exported --store other/.noiseline" },
  ...{ "verify": "verify pipeline.yaml", "gc, nothing to remove": "gc --yes", "untag": "tag --delete kept" },
  "gc, all": "gc --yes --older-than 0 --keep-runs 0 --store other/.noiseline",
};

const found = new Map<string, { readonly seconds: number; readonly megabytes: number }[]>();
const add = (what: string, seconds: number, megabytes: number) =>
  found.set(what, [...found.get(what) ?? [], { seconds, megabytes }]);
await using temporary = await makeTemporaryFolder();
for (const count of [LEAST, ...sizes]) {
  const folder = await makeProject(join(temporary.folder, String(count)), mixOf(count));
  for (const [what, words] of Object.entries(OPERATIONS)) {
    const ended = await measure({ ...OURS.run, args: [...OURS.run.args.slice(0, -2), ...words.split(" ")] }, folder);
    add(what, ended?.cpuSeconds ?? NaN, ended?.peakMegabytes ?? NaN);
  }
  const site = new Site({ store: join(folder, ".noiseline"), cluster: undefined });
  const [id] = Deno.readDirSync(join(folder, ".noiseline", "runs")).map(({ name }) => name).toArray().sort();
  for (
    const [what, path] of Object.entries({ "ui, list": "/", "ui, a run": `/run/${id}`, "ui, again": `/run/${id}` })
  ) {
    const before = cpuUsage();
    renderServed((await site.look(new URL(path, "http://localhost")))!.page);
    const { user, system } = cpuUsage(before);
    add(what, (user + system) / 1e6, NaN);
  }
}
const rows = [...found].map(([what, all]) => {
  const [least, ...more] = all.map(({ seconds }) => seconds) as [number, ...number[]];
  const [few, many] = more.slice(-2).map((seconds) => Math.max(0.01, seconds - least)) as [number, number];
  const power = Math.log(many / few) / Math.log(sizes.at(-1)! / sizes.at(-2)!);
  const { megabytes } = all.at(-1)!;
  const times = more.map((seconds) => `${seconds.toFixed(2)} s`);
  return [what, ...times, power.toFixed(2), Number.isNaN(megabytes) ? "" : `${megabytes.toFixed(0)} MB`];
});
printTable([["operation", ...sizes.map((one) => `${one} stages`), "power", "peak memory"], ...rows]);
