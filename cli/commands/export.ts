import { Command } from "@commander-js/extra-typings";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { countOf } from "../format/count.ts";
import { formatBytes } from "../format/bytes.ts";
import { printJson, printLine, refuseWith } from "../io.ts";
import { collect } from "../load.ts";
import { isPipelineFile, storeFor, unknownRun } from "../operands.ts";
import { contentsFor, failWith } from "../results.ts";

const EXAMPLES = `
The archive holds manifests and files, nothing of this machine; equal results make equal archives. Weights for other
programs are another thing: see the stage kind \`export\`.

Examples:
  deno task export pipelines/digits.yaml -o digits.tar
  deno task export before-dropout -o before-dropout.tar   # a tag; it is set where the archive is imported`;

/** `export WHAT -o FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return new Command("export").summary("Write results into one archive")
    .description("Write the results of a pipeline, a tag or a run into one tar archive, for another store to import.")
    .argument("<what>", "pipeline file, tag, or id of a run")
    .requiredOption("-o, --output <file>", "the archive")
    .option("-s, --set <path=value>", "set a param, var or the seed; repeatable", collect, [] as string[])
    .option("-p, --profile <name>", "lay a profile of the file over it; repeatable", collect, [] as string[])
    .option("--store <folder>", "where results are kept (default: .noiseline beside deno.json)")
    .option("--json", "print what was written as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (what, options) => {
      const json = options.json ?? false;
      const named = isPipelineFile(what) ? undefined : storeFor(options);
      const tagged = named?.tags.read(what);
      if (named !== undefined && tagged === undefined && named.runs.read(what) === undefined) {
        refuseWith([unknownRun(named, what, true)], json);
      }
      const { store, contents } = named === undefined || tagged === undefined
        ? await contentsFor(settings, what, options, json)
        : { store: named, contents: tagged };
      const { exportResults } = await import("noiseline/housekeeping");
      const tag = tagged === undefined ? null : what;
      const exported = await exportResults(store, options.output, { contents, tag });
      if (!exported.ok) {
        const refused = exported.diagnostics.some(({ code }) => code === "file-unreadable");
        return (refused ? refuseWith : failWith)(exported.diagnostics, json);
      }
      const { results, objects, bytes } = exported.value;
      if (json) printJson({ archive: options.output, tag, pipeline: contents.pipeline, results, objects, bytes });
      else {printLine(
          `${options.output}: ${countOf(results, "result")}, ${countOf(objects, "file")}, ${formatBytes(bytes)}`,
        );}
    });
}
