import { Command } from "@commander-js/extra-typings";
import { shellWord, suggestName } from "noiseline/core";
import { join, relative, resolve } from "node:path";
import { type Answer, answering, type AnyCommand, plainCommand } from "../command.ts";
import { Exit, problem, refuseWith } from "../io.ts";
import {
  filesInTheWay,
  findPlace,
  type NewFile,
  PIPELINE_TEMPLATES,
  pipelineFiles,
  type PipelineTemplate,
  type Place,
  stageFiles,
  writeFiles,
} from "../scaffold/files.ts";
import { checkName } from "../scaffold/names.ts";

const EXAMPLES = `
  deno task new stage brightness --folder experiments
  deno task new pipeline first --template digits --folder experiments`;

/** Commands that a user would type next, each as its words. */
function nextCommands({ folder, flags, first, program }: Place, files: readonly NewFile[]): string[] {
  const home = relative(Deno.cwd(), folder);
  // Where the folder has settings of its own, Deno finds them from within.
  const enter = flags.length === 0 && program.includes("noiseline") && home !== "";
  const shown = (path: string) => enter ? path : relative(Deno.cwd(), join(folder, path));
  const pipeline = files.find(({ path }) => path.endsWith(".yaml"))!.path;
  const test = files.find(({ path }) => path.endsWith("_test.ts"))?.path;
  return [
    ...(enter ? [["cd", home]] : []),
    ...first,
    ...(test === undefined ? [] : [["deno", "test", "-A", ...flags, shown(test)]]),
    [...program, "plan", shown(pipeline)],
    [...program, "run", shown(pipeline)],
  ].map((words) => words.map(shellWord).join(" "));
}

function create(name: string, written: string, makeFiles: (folder: string) => NewFile[]): Answer {
  const wrong = checkName(name);
  if (wrong !== undefined) refuseWith([wrong]);
  const folder = resolve(written);
  const place = findPlace(folder);
  try {
    const files = [...makeFiles(folder), ...place.settings];
    const there = filesInTheWay(folder, files);
    if (there.length > 0) {
      const message = `${there.join(", ")} ${there.length === 1 ? "exists" : "exist"} already in ${written}`;
      refuseWith([problem(message, "choose another name or folder")]);
    }
    writeFiles(folder, files);
    const paths = files.map(({ path }) => relative(Deno.cwd(), join(folder, path)));
    const next = nextCommands(place, files);
    return {
      data: { ok: true, files: paths, next },
      lines: [...paths.map((path) => `wrote ${path}`), "\nnext:", ...next.map((command) => `  ${command}`)],
    };
  } catch (error) {
    if (!(error instanceof Error && "code" in error) || error instanceof Exit) throw error;
    refuseWith([problem(`cannot write to ${written}: ${error.message}`, "choose another folder")]);
  }
}

/** `new stage NAME`, `new pipeline NAME` */
export function makeCommand(): AnyCommand {
  const stageHelp =
    "Write NAME.ts with a stage, NAME_test.ts with its test and NAME.yaml with a pipeline that uses it.";
  const stage = plainCommand("stage", stageHelp, EXAMPLES).summary(
    "Write a custom stage, its test and a pipeline that uses it",
  )
    .argument("<name>", "its id and the name of its files: lower-case letters, digits, _ and -")
    .option("-f, --folder <folder>", "where to write", ".")
    .action(answering((name, { folder }) => create(name, folder, (folder) => stageFiles(name, folder))));
  const templates = Object.entries(PIPELINE_TEMPLATES).map(([name, what]) => `${name}: ${what}`).join("; ");
  const pipeline = plainCommand("pipeline", "Write NAME.yaml with a pipeline.", EXAMPLES).summary(
    "Write a pipeline file",
  )
    .argument("<name>", "its name and that of the file: lower-case letters, digits, _ and -")
    .option("-t, --template <template>", templates, "smoke")
    .option("-f, --folder <folder>", "where to write", ".")
    .action(answering((name, { template, folder }) => {
      if (!Object.hasOwn(PIPELINE_TEMPLATES, template)) {
        const fix = suggestName(template, Object.keys(PIPELINE_TEMPLATES));
        refuseWith([problem(`there is no template "${template}"`, fix)]);
      }
      return create(name, folder, (folder) => pipelineFiles(name, template as PipelineTemplate, folder));
    }));
  return new Command("new").addCommand(stage).addCommand(pipeline).addHelpText("after", `\nExamples:${EXAMPLES}`)
    .description(
      "Write the files of a new pipeline, or of a custom stage with its test. Existing files are never overwritten.",
    );
}
