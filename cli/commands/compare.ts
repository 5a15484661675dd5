import { dirname } from "node:path";
import { type AnyCommand, type CliSettings, collect, printingAnswer, storeCommand } from "../command.ts";
import { fail, formatTable } from "../io.ts";
import { namesPipeline, openStoreFor, runFor } from "../open.ts";
import type { Experiment } from "../../pages/results/experiments.ts";

const EXAMPLES = `
  deno task compare pipelines/ablation-schedules.yaml               # the children of its matrix
  deno task compare pipelines/ablation-schedules.yaml train~betas=ldm-cosine train~betas=ldm-sqrt
  deno task compare pipelines/digits.yaml pipelines/fashion.yaml -o compare.html
  deno task compare 20261125T101502000-1a2b best                    # a run by its id, and a tag`;

/** `compare RUN… | FILE [STAGE…]…` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return storeCommand("compare", EXAMPLES)
    .argument("<what...>", "pipeline files, each with stages to choose children of its matrix, tags, or ids of runs")
    .option("-p, --profile <name>", "apply a profile to each file; repeatable", collect)
    .option("-o, --output <file>", "also write a page with curves and samples")
    .action(printingAnswer(async (what, options) => {
      const { experimentsOfPipeline } = await import("../experiments.ts");
      const { experimentsOf } = await import("../../pages/results/experiments.ts");
      const { compareExperiments, comparisonPage, sheetOf } = await import("../../pages/results/compare.ts");
      const { cellsOf, renderPage } = await import("noiseline/report");
      const experiments: Experiment[] = [];
      const store = openStoreFor(options);
      const isKept = (name: string) => (store.tags.read(name) ?? store.runs.read(name)) !== undefined;
      const groups: string[][] = [];
      for (const each of what) {
        const before = groups.at(-1)?.[0];
        const isStage = before !== undefined && namesPipeline(before) && !namesPipeline(each) && !isKept(each);
        if (isStage) groups.at(-1)!.push(each);
        else groups.push([each]);
      }
      for (const [each = "", ...targets] of groups) {
        if (namesPipeline(each)) {
          const given = { file: each, ...options, targets };
          const { experiments: found, loaded } = await experimentsOfPipeline(settings, given);
          const { name } = loaded.pipeline;
          // Two files may contain pipelines of the same name.
          const isTaken = experiments.some(({ source }) => source === name);
          experiments.push(...found.map((one) => isTaken ? { ...one, source: each } : one));
          continue;
        }
        const tagged = store.tags.read(each);
        const run = tagged === undefined ? runFor(store, each, true).runId : undefined;
        const { results } = tagged ?? store.runs.used(run!);
        const planned = run === undefined ? undefined : store.runs.plan(run)?.stages;
        const found = Object.entries(results).map(([id, key]) => [id, store.results.byResolved(key)] as const);
        experiments.push(...experimentsOf(each, found, store, { planned }));
      }
      if (experiments.every(({ made }) => made.size === 0)) fail("none of these has results yet", "run them first");
      const compared = await compareExperiments(experiments.map((experiment) => ({ experiment })));
      if (options.output !== undefined) {
        await Deno.mkdir(dirname(options.output), { recursive: true });
        await Deno.writeTextFile(options.output, renderPage(comparisonPage(compared)));
      }
      const { comparison, searches } = compared;
      const sheet = sheetOf(comparison, compared.parts);
      const rungs = searches.flatMap((one) => {
        return [
          "",
          `search of ${one.search}:`,
          ...formatTable([one.header, ...cellsOf(one)]),
          ...one.best === undefined ? [] : [one.best],
        ];
      });
      const lines = sheet[0]!.length > 1 ? formatTable(sheet) : [];
      const data = { ...comparison, ...searches.length > 0 && { searches } };
      return { data, lines: [...lines, ...rungs], notices: comparison.without };
    }));
}
