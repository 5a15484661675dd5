import { type AnyCommand, type CliSettings, printingAnswer, resultsCommand } from "../command.ts";
import { countOf, formatBytes } from "../format/units.ts";
import { EXIT, failWith } from "../io.ts";
import { contentsFor } from "../open.ts";

const MORE = `

The folder is a shared cache: manifests and files, nothing of this machine. Pack it with any tool, and \`import\` it elsewhere, or name it with --cache. What such a folder holds already stays. Weights for other programs are another thing: see the stage kind \`export\`.`;

const EXAMPLES = `
  deno task export pipelines/digits.yaml -o digits-results
  deno task export before-dropout -o digits-results   # the results of a tag`;

/** `export WHAT -o FOLDER` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return resultsCommand("export", EXAMPLES, MORE)
    .argument("<what>", "pipeline file, tag, or id of a run")
    .requiredOption("-o, --output <folder>", "a new or empty folder, or one that already holds results")
    .action(printingAnswer(async (what, options) => {
      const { store, contents } = await contentsFor(settings, what, options);
      const { exportResults } = await import("noiseline/housekeeping");
      const { output: folder } = options;
      const exported = await exportResults(store, folder, contents);
      if (!exported.ok) return failWith(exported.diagnostics);
      const { results, objects, bytes } = exported.value;
      return {
        data: { folder, pipeline: contents.pipeline, ...exported.value },
        lines: [`${folder}: ${countOf(results, "result")}, ${countOf(objects, "file")}, ${formatBytes(bytes)}`],
        diagnostics: exported.warnings,
        code: exported.warnings.length === 0 ? EXIT.done : EXIT.failed,
      };
    }));
}
