import { Command } from "@commander-js/extra-typings";
import { type Store, suggestName } from "noiseline/engine";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { countOf } from "../format/count.ts";
import { formatTable } from "../format/table.ts";
import { printError, printJson, printLine, refuseWith } from "../io.ts";
import { PROFILE_OPTION, SET_OPTION, STORE_OPTION } from "../load.ts";
import { isPipelineFile, problem, storeFor } from "../operands.ts";
import { contentsFor } from "../results.ts";

const EXAMPLES = `
Examples:
  deno task tag before-dropout pipelines/digits.yaml   # its results as they are now
  deno task tag best 20261125T101502000-1a2b           # those of a run, by its id (see \`runs\`)
  deno task tag --list
  deno task tag --delete before-dropout`;

/** `tag NAME WHAT` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return new Command("tag").summary("Name results, so that they are kept")
    .description(
      "Give the results of a pipeline or of a run a name. `gc` keeps tagged results; `compare` and `export` take tags.",
    )
    .argument("[name]", "letters and digits; also . _ - after the first")
    .argument("[what]", "pipeline file, or id of a run (default: the newest run that is done)")
    .addOption(SET_OPTION).addOption(PROFILE_OPTION)
    .option("-f, --force", "move an existing tag")
    .option("-l, --list", "list the tags")
    .option("-d, --delete <name>", "delete a tag; its results stay until `gc` removes them")
    .addOption(STORE_OPTION)
    .option("--json", "print tags as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (name, what, options) => {
      const json = options.json ?? false;
      if (options.delete !== undefined) {
        const store = storeFor(options);
        refuseUnknown(store, options.delete, json);
        store.tags.remove(options.delete);
        if (json) printJson({ deleted: options.delete });
        else printLine(`deleted the tag ${options.delete}`);
        return;
      }
      if (options.list || name === undefined) {
        list(storeFor(options), json);
        return;
      }
      const { TAG_NAME } = await import("noiseline/housekeeping");
      if (!TAG_NAME.test(name) || isPipelineFile(name)) {
        const fix = "use up to 64 letters, digits, dots, dashes and underscores, and no ending of a pipeline file";
        refuseWith([problem(`"${name}" cannot be the name of a tag`, fix)], json);
      }
      const { store, contents } = await contentsFor(settings, what, options, json);
      if (store.tags.names().includes(name) && !options.force) {
        refuseWith([problem(`there is a tag "${name}" already`, "use another name, or --force to move it")], json);
      }
      store.tags.write(name, contents);
      if (json) printJson({ tag: name, ...contents });
      else printLine(`${name}: ${countOf(Object.keys(contents.results).length, "result")} of ${contents.pipeline}`);
    });
}

function refuseUnknown(store: Store, name: string, json: boolean): void {
  const names = store.tags.names();
  if (names.includes(name)) return;
  refuseWith([problem(`there is no tag "${name}" in ${store.root}`, suggestName(name, names))], json);
}

function list(store: Store, json: boolean): void {
  const tags = store.tags.names().map((name) => ({ name, record: store.tags.read(name) }));
  if (json) {
    printJson(tags.map(({ name, record }) => ({ tag: name, ...record })));
    return;
  }
  const rows = tags.flatMap(({ name, record }) => {
    if (record === undefined) {
      printError(`the tag "${name}" cannot be read; delete it or tag the results anew`);
      return [];
    }
    const there = Object.values(record.results).filter((key) => store.results.byResolved(key) !== undefined).length;
    const all = Object.keys(record.results).length;
    const count = there === all ? countOf(all, "result") : `${there} of ${countOf(all, "result")}`;
    return [[name, record.pipeline, count, record.overrides.join(" ")]];
  });
  if (tags.length === 0) printLine(`no tags in ${store.root}`);
  for (const line of formatTable(rows)) printLine(line);
}
