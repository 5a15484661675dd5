import { type AnyCommand, printingAnswer, storeCommand } from "../command.ts";
import { countOf, formatBytes } from "../format/units.ts";
import { EXIT, refuseWith } from "../io.ts";
import { openStoreFor } from "../open.ts";

const MORE = `

Every hash is checked before a result is taken. Importing twice is harmless. Outputs appear with the next \`run\` of the pipeline, which finds its results and computes nothing.`;

const EXAMPLES = `
  deno task import digits-results
  deno task import digits-results --store /data/.noiseline`;

/** `import FOLDER` */
export function makeCommand(): AnyCommand {
  return storeCommand("import", EXAMPLES, MORE)
    .argument("<folder>", "a folder that `export` or `run --cache` wrote")
    .action(printingAnswer(async (folder, options) => {
      const store = openStoreFor(options);
      const { importResults } = await import("noiseline/housekeeping");
      const result = await importResults(store, folder);
      if (!result.ok) refuseWith(result.diagnostics);
      const { added, known, bytes, different, damaged } = result.value;
      return {
        data: { store: store.root, folder, ...result.value },
        lines: [`${folder}: ${countOf(added, "result")} added (${formatBytes(bytes)}), ${known} already present`],
        diagnostics: result.warnings,
        notices: [
          ...different.map((key) =>
            `${key.slice(0, 12)} has other bytes here for the same key; the store's own result stays`
          ),
          ...damaged.map((key) => `${key.slice(0, 12)} is damaged or incomplete, and was skipped`),
        ],
        code: different.length + damaged.length > 0 ? EXIT.failed : EXIT.done,
      };
    }));
}
