import { Command } from "@commander-js/extra-typings";
import type { AnyCommand } from "../settings.ts";
import { formatBytes } from "../format/bytes.ts";
import { countOf } from "../format/count.ts";
import { EXIT, Exit, printDiagnostics, printError, printJson, printLine, refuseWith } from "../io.ts";
import { STORE_OPTION } from "../load.ts";
import { storeFor } from "../operands.ts";

const EXAMPLES = `
Every hash is checked before a result is taken. Doing it again changes nothing. Outputs appear with the next \`run\` of the
pipeline, which finds its results and computes nothing.

Examples:
  deno task import digits-results
  deno task import digits-results --store /data/.noiseline`;

/** `import FOLDER` */
export function makeCommand(): AnyCommand {
  return new Command("import").summary("Import results from a folder")
    .description("Import all results of a folder that `export` or `run --cache` wrote.")
    .argument("<folder>", "a folder of results")
    .addOption(STORE_OPTION)
    .option("--json", "print what was taken as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (folder, options) => {
      const json = options.json ?? false;
      const store = storeFor(options);
      const { importResults } = await import("noiseline/housekeeping");
      const result = await importResults(store, folder);
      if (!result.ok) refuseWith(result.diagnostics, json);
      const { added, known, bytes, different, damaged } = result.value;
      if (json) printJson({ store: store.root, folder, ...result.value });
      else {
        printLine(`${folder}: ${countOf(added, "result")} added (${formatBytes(bytes)}), ${known} there already`);
        printDiagnostics(result.warnings);
        for (const key of different) {
          printError(`${key.slice(0, 12)} has other bytes here for the same key; the store's own result stays`);
        }
        for (const key of damaged) printError(`${key.slice(0, 12)} is damaged or not whole, and was not taken`);
      }
      if (different.length + damaged.length > 0) throw new Exit(EXIT.failed);
    });
}
