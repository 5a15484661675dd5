import { type Store, suggestName } from "noiseline/core";
import { type Answer, type AnyCommand, type CliSettings, printingAnswer, resultsCommand } from "../command.ts";
import { countOf } from "../format/units.ts";
import { formatTable, refuse } from "../io.ts";
import { contentsFor, namesPipeline, openStoreFor } from "../open.ts";

const EXAMPLES = `
  deno task tag before-dropout pipelines/digits.yaml   # its results as they are now
  deno task tag best 20261125T101502000-1a2b           # those of a run, by its id (see \`runs\`)
  deno task tag --list
  deno task tag --delete before-dropout`;

/** `tag NAME WHAT` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return resultsCommand("tag", EXAMPLES, " `gc` keeps tagged results; `compare` and `export` take tags.")
    .argument("[name]", "letters and digits; also . _ - after the first")
    .argument("[what]", "pipeline file, tag, or id of a run (default: the newest run that is done)")
    .option("-f, --force", "move an existing tag")
    .option("-l, --list", "list the tags")
    .option("-d, --delete <name>", "delete a tag; its results stay until `gc` removes them")
    .action(printingAnswer(async (name, what, options) => {
      if (options.delete !== undefined) return forget(options.delete, openStoreFor(options));
      if (options.list || name === undefined) return list(openStoreFor(options));
      const { TAG_NAME } = await import("noiseline/housekeeping");
      if (!TAG_NAME.test(name) || namesPipeline(name)) {
        const fix = "use up to 64 letters, digits, dots, dashes and underscores, and no ending of a pipeline file";
        refuse(`"${name}" cannot be the name of a tag`, fix);
      }
      const { store, contents } = await contentsFor(settings, what, options);
      if (store.tags.names().includes(name) && !options.force) {
        refuse(`there is a tag "${name}" already`, "use another name, or --force to move it");
      }
      store.tags.write(name, contents);
      const count = countOf(Object.keys(contents.results).length, "result");
      return { data: { tag: name, ...contents }, lines: [`${name}: ${count} of ${contents.pipeline}`] };
    }));
}

function forget(name: string, store: Store): Answer {
  const names = store.tags.names();
  if (!names.includes(name)) refuse(`there is no tag "${name}" in ${store.root}`, suggestName(name, names));
  store.tags.remove(name);
  return { data: { deleted: name }, lines: [`deleted the tag ${name}`] };
}

function list(store: Store): Answer {
  const tags = store.tags.names().map((name) => ({ name, record: store.tags.read(name) }));
  const rows = tags.flatMap(({ name, record }) => {
    if (record === undefined) return [];
    const there = Object.values(record.results).filter((key) => store.results.byResolved(key) !== undefined).length;
    const all = Object.keys(record.results).length;
    const count = there === all ? countOf(all, "result") : `${there} of ${countOf(all, "result")}`;
    return [[name, record.pipeline, count, record.overrides.join(" ")]];
  });
  return {
    data: tags.map(({ name, record }) => ({ tag: name, ...record })),
    lines: tags.length === 0 ? [`no tags in ${store.root}`] : formatTable(rows),
    notices: tags.filter(({ record }) => record === undefined)
      .map(({ name }) => `the tag "${name}" cannot be read; delete it or tag the results anew`),
  };
}
