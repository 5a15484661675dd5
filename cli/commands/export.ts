import { Command } from "@commander-js/extra-typings";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { countOf } from "../format/count.ts";
import { formatBytes } from "../format/bytes.ts";
import { EXIT, Exit, printDiagnostics, printJson, printLine, refuseWith } from "../io.ts";
import { PROFILE_OPTION, SET_OPTION, STORE_OPTION } from "../load.ts";
import { isPipelineFile, storeFor, unknownRun } from "../operands.ts";
import { contentsFor, failWith } from "../results.ts";

const EXAMPLES = `
The folder is a shared cache: manifests and files, nothing of this machine. Pack it with any tool, and \`import\` it elsewhere,
or name it with --cache. What such a folder holds already stays. Weights for other programs are another thing: see the stage
kind \`export\`.

Examples:
  deno task export pipelines/digits.yaml -o digits-results
  deno task export before-dropout -o digits-results   # the results of a tag`;

/** `export WHAT -o FOLDER` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return new Command("export").summary("Write results to a folder")
    .description("Write the results of a pipeline, a tag or a run to a folder, for `import` or `--cache` elsewhere.")
    .argument("<what>", "pipeline file, tag, or id of a run")
    .requiredOption("-o, --output <folder>", "a new or empty folder, or one that already holds results")
    .addOption(SET_OPTION).addOption(PROFILE_OPTION).addOption(STORE_OPTION)
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
      const { output: folder } = options;
      const exported = await exportResults(store, folder, contents);
      if (!exported.ok) {
        const refused = exported.diagnostics.some(({ code }) => code === "file-unreadable");
        return (refused ? refuseWith : failWith)(exported.diagnostics, json);
      }
      const { results, objects, bytes } = exported.value;
      if (json) printJson({ folder, pipeline: contents.pipeline, ...exported.value });
      else printLine(`${folder}: ${countOf(results, "result")}, ${countOf(objects, "file")}, ${formatBytes(bytes)}`);
      if (exported.warnings.length === 0) return;
      printDiagnostics(exported.warnings);
      throw new Exit(EXIT.failed);
    });
}
