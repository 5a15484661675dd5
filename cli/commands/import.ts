import { Command } from "@commander-js/extra-typings";
import type { AnyCommand } from "../settings.ts";
import { countOf } from "../format/count.ts";
import { EXIT, Exit, printError, printJson, printLine, refuseWith } from "../io.ts";
import { problem, storeFor } from "../operands.ts";

const EXAMPLES = `
Every hash in the archive is checked before anything is taken. Doing it again changes nothing. Outputs appear with the
next \`run\` of the pipeline, which finds its results and computes nothing.

Examples:
  deno task import digits.tar
  deno task import digits.tar --store /data/.noiseline`;

/** `import FILE` */
export function makeCommand(): AnyCommand {
  return new Command("import").summary("Take the results of an archive into the store")
    .description("Take the results of an archive that `export` wrote into the store.")
    .argument("<archive>", "a tar archive")
    .option("-f, --force", "move a tag of the same name that is there")
    .option("--store <folder>", "where results are kept (default: .noiseline beside deno.json)")
    .option("--json", "print what was taken as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (archive, options) => {
      const json = options.json ?? false;
      try {
        if (!Deno.statSync(archive).isFile) throw new Error("it is no plain file");
      } catch (error) {
        refuseWith([problem(`Cannot read ${archive}: ${(error as Error).message}`, "check the path")], json);
      }
      const store = storeFor(options);
      const { importResults } = await import("noiseline/housekeeping");
      const result = await importResults(store, archive, { replaceTag: options.force ?? false });
      if (!result.ok) refuseWith(result.diagnostics, json);
      const { pipeline, tag, added, known, different } = result.value;
      if (json) printJson({ store: store.root, ...result.value });
      else {
        const named = tag === null ? "" : `, tag ${tag}`;
        printLine(`${pipeline}: ${countOf(added, "result")} added, ${known} there already${named}`);
        for (const stage of different) {
          printError(`"${stage}" has other bytes here for the same key; the store's own result stays`);
        }
      }
      if (different.length > 0) throw new Exit(EXIT.failed);
    });
}
