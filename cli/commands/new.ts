import { Command, Option } from "@commander-js/extra-typings";
import type { Sort } from "noiseline";
import { nearestConfig, shellWord } from "noiseline/core";
import { lstatSync, mkdirSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import manifest from "../../deno.json" with { type: "json" };
import { definedOnly } from "../../std/defined_only.ts";
import { type AnyCommand, COMMANDS, plainCommand, printingAnswer } from "../command.ts";
import { Exit, refuse } from "../io.ts";
import { PACKAGE, packageProgram, programIn, TOOLKIT } from "../../package/program.ts";

const EXAMPLES = `
  deno task new stage brightness --folder experiments
  deno task new network mixer --folder experiments
  deno task new pipeline first --template digits --folder experiments`;

/** File contents by path, relative to the folder that the user chose. */
type NewFiles = Readonly<Record<string, string>>;

/** Pipelines of the toolkit that serve as templates, each with a description and the files that it needs beside it. */
const TEMPLATES: Readonly<Record<string, readonly [what: string, ...beside: string[]]>> = {
  smoke: ["data, training, samples and scores in seconds"],
  digits: ["train on digits and score the samples, in minutes"],
  "own-images": ["the same with your own images, in a folder"],
  pytorch: ["your own network and training in PyTorch, in train.py", "train.py"],
  sweep: ["every combination of some values, compared"],
  search: ["the best of many values, in a few steps each"],
  latent: ["an autoencoder, and a diffusion of its latents"],
  "fine-tune": ["go on from a checkpoint, with classes"],
};
/** Templates that are experiments too lie in `pipelines` itself. */
const EXPERIMENTS = ["smoke", "digits", "own-images"];

/**
 * The new file's definition: its description and, except for a stage, the place where a pipeline names the file and the
 * kind of stage that loads the file first.
 */
type Defined = readonly [what: string, use?: (file: string) => string, kind?: string];
const DEFINED: Readonly<Record<Sort | "stage", Defined>> = {
  stage: ["a stage, NAME.yaml with a pipeline that uses it,"],
  network: ["a network", (file) => `model: { uses: ${file} } in the params of a train stage`, "train"],
  objective: ["an objective", (file) => `objective: { uses: ${file} } in the params of a train stage`, "train"],
  path: ["a noise path", (file) => `with: { uses: ${file} } in a schedule stage`, "train"],
  augmentation: ["an augmentation", (file) => `augment: { uses: ${file} } in the params of a train stage`, "train"],
  autoencoder: [
    "an autoencoder",
    (file) => `model: { uses: ${file} } in the params of an autoencoder stage`,
    "autoencoder",
  ],
  sampler: ["a sampler", (file) => `sampler: { uses: ${file} } in the params of a sample stage`, "sample"],
};

const NATIVE = "you trust its code with native devices, such as onnx";

/** Valid names: they become ids, file names and parts of references. */
const NAME = /^[a-z][a-z0-9_-]*$/;
const MAX_LENGTH = 60;

/** Ends the command with exit code 2 unless `name` is valid. */
function checkName(name: string): void {
  if (NAME.test(name) && name.length <= MAX_LENGTH) return;
  const suggestion = name.replace(/\.(ts|yaml|yml)$/, "").replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "_").replaceAll(/^[^a-z]+|_+$/g, "").slice(0, MAX_LENGTH);
  const wanted = `it must match [a-z][a-z0-9_-]*, at most ${MAX_LENGTH} characters`;
  const fix = NAME.test(suggestion) ? `did you mean "${suggestion}"?` : "choose another";
  refuse(`${JSON.stringify(name)} is not a name: ${wanted}`, fix);
}

const read = (...parts: string[]): string => Deno.readTextFileSync(join(TOOLKIT, ...parts));

/** Adds the schema's address, relative to the folder where the file will lie, for editors. */
function withSchema(text: string, folder: string): string {
  const file = "schemas/pipeline.schema.json";
  const schema = PACKAGE === undefined
    ? relative(folder, join(TOOLKIT, file)).replaceAll("\\", "/")
    : `https://jsr.io/${PACKAGE}/${manifest.version}/${file}`;
  return text.replace(/(\$schema=).*/, (_, before) => `${before}${schema}`);
}

/**
 * Rewrites an import of the toolkit's own files as users write it. Publishing turns the toolkit's import names into
 * paths.
 */
function asImported(path: string): string {
  const exportName = Object.entries(manifest.exports).find(([, file]) => path.endsWith(`../${file.slice(2)}`))?.[0];
  return exportName === undefined ? path : `${PACKAGE}${exportName.slice(1)}`;
}

/**
 * Returns the files of a stage or a definition: its code, its test, and for a stage a pipeline that uses it.
 * @param folder absolute path
 */
function filesOf(sort: string, name: string, folder: string): NewFiles {
  const files = [".ts", "_test.ts", ...sort === "stage" ? [".yaml"] : []].map((end) => {
    const text = read("cli/templates", sort, `new_${sort}${end}`).replaceAll(`new_${sort}`, name)
      .replaceAll(/(?<=from ")[^"]+/g, asImported)
      // In a package, versions stand in the import statements, because the user's settings have no names for its
      // packages.
      .replaceAll(/^import .* from "npm:.*/gm, "// deno-lint-ignore no-import-prefix\n$&");
    return [`${name}${end}`, end === ".yaml" ? withSchema(text, folder) : text];
  });
  return Object.fromEntries(files);
}

/** @param folder absolute path */
function pipelineFiles(name: string, template: string, folder: string): NewFiles {
  const home = EXPERIMENTS.includes(template) ? "pipelines" : "pipelines/templates";
  const [, ...beside] = TEMPLATES[template]!;
  const text = read(home, `${template}.yaml`).replace(/^name: .*$/m, `name: ${name}`)
    .replaceAll(`outputs/${template}/`, `outputs/${name}/`);
  const others = beside.map((file) => [file, read(home, file)]);
  return { [`${name}.yaml`]: withSchema(text, folder), ...Object.fromEntries(others) };
}

/**
 * Returns a deno.json with which a folder outside the clone works like one inside: it has the clone's imports, and the
 * clone's compiler options, because Deno checks the toolkit's code together with code that imports it. If noiseline is
 * a package, Deno only needs its name.
 */
function settingsFor(folder: string): string {
  const from = (path: string) => relative(folder, join(TOOLKIT, path)).replaceAll(sep, "/");
  const range = `^${manifest.version}`;
  const settings = {
    ...PACKAGE === undefined
      ? {
        importMap: from("deno.json"),
        tasks: { noiseline: `deno run -A ${from("cli/main.ts")}` },
        compilerOptions: manifest.compilerOptions,
        allowScripts: manifest.allowScripts,
      }
      : {
        imports: { [PACKAGE]: `jsr:${PACKAGE}@${range}` },
        tasks: { noiseline: packageProgram(PACKAGE, range).join(" ") },
      },
    fmt: { lineWidth: manifest.fmt.lineWidth },
    exclude: manifest.exclude,
  };
  return `${JSON.stringify(settings, null, 2)}\n`;
}

/**
 * Returns the commands that a user would type next.
 * @param config path of the settings file that the folder already had
 */
function nextCommands(folder: string, config: string | undefined, files: NewFiles): string[] {
  const clone = join(TOOLKIT, "deno.json");
  const program = programIn(folder);
  // The user's own settings must not be changed; settings that an earlier `new` wrote work like the clone's.
  const isForeign = config !== undefined && config !== clone &&
    Deno.readTextFileSync(config) !== settingsFor(dirname(config));
  const flags = isForeign && PACKAGE === undefined ? [`--config=${clone}`] : [];
  const isKnown = PACKAGE === undefined || !isForeign || Deno.readTextFileSync(config).includes(`"${PACKAGE}"`);
  const home = relative(Deno.cwd(), folder);
  // If the folder has its own settings, Deno finds them only from within the folder.
  const enter = flags.length === 0 && program.includes("noiseline") && home !== "";
  const shown = (path: string) => enter ? path : relative(Deno.cwd(), join(folder, path));
  const pipeline = Object.keys(files).find((path) => path.endsWith(".yaml"));
  const test = Object.keys(files).find((path) => path.endsWith("_test.ts"));
  return [
    ...(enter ? [["cd", home]] : []),
    ...(isKnown ? [] : [["deno", "add", `jsr:${PACKAGE}@^${manifest.version}`]]),
    ...(test === undefined ? [] : [["deno", "test", "-A", ...flags, shown(test)]]),
    ...(pipeline === undefined ? [] : ["plan", "run"].map((command) => [...program, command, shown(pipeline)])),
  ].map((words) => words.map(shellWord).join(" "));
}

/** Leaves nothing behind on a full disk, so that the same command works once there is space. */
function writeAllOrNothing(folder: string, files: NewFiles): void {
  const outermost = mkdirSync(folder, { recursive: true });
  const made: string[] = [];
  try {
    for (const [name, text] of Object.entries(files)) {
      const path = join(folder, name);
      // A file that another process creates meanwhile is not overwritten.
      Deno.openSync(path, { write: true, createNew: true }).close();
      made.push(path);
      Deno.writeTextFileSync(path, text);
    }
  } catch (error) {
    for (const path of made) Deno.removeSync(path);
    if (outermost !== undefined) Deno.removeSync(outermost, { recursive: true });
    throw error;
  }
}

/**
 * @param use how a pipeline refers to the new file
 * @param asks for what run asks once, and the option that gives it
 */
function create(name: string, written: string, makeFiles: (at: string) => NewFiles, use?: string, asks?: string[]) {
  checkName(name);
  const folder = resolve(written);
  try {
    const config = nearestConfig(folder);
    const files = { ...makeFiles(folder), ...config === undefined ? { "deno.json": settingsFor(folder) } : {} };
    const there = Object.keys(files).filter((path) => lstatSync(join(folder, path), { throwIfNoEntry: false }));
    if (there.length > 0) {
      const message = `${there.join(", ")} ${there.length === 1 ? "exists" : "exist"} already in ${written}`;
      refuse(message, "choose another name or folder");
    }
    writeAllOrNothing(folder, files);
    const paths = Object.keys(files).map((path) => relative(Deno.cwd(), join(folder, path)));
    const next = nextCommands(folder, config, files);
    return {
      data: { ok: true, files: paths, next, ...definedOnly({ use }) },
      lines: [
        ...paths.map((path) => `wrote ${path}`),
        "\nnext:",
        ...next.map((command) => `  ${command}`),
        ...use === undefined ? [] : [`\nin a pipeline beside it: ${use}`],
        ...asks === undefined ? [] : [`run asks once whether ${asks[0]}; without a terminal, add --grant ${asks[1]}`],
      ],
    };
  } catch (error) {
    if (!(error instanceof Error && "code" in error) || error instanceof Exit) throw error;
    refuse(`cannot write to ${written}: ${error.message}`, "choose another folder, or make room in this one");
  }
}

/** Returns a subcommand with the argument and options that all of them share. */
function subcommand(what: string, description: string, about: string) {
  return plainCommand(what, EXAMPLES).description(description)
    .argument("<name>", `${about}: lower-case letters, digits, _ and -`)
    .option("-f, --folder <folder>", "where to write", ".");
}

/** `new stage NAME`, `new network NAME` and so on for other definitions, `new pipeline NAME` */
export function makeCommand(): AnyCommand {
  const command: AnyCommand = new Command("new").addHelpText("after", `\nExamples:${EXAMPLES}`)
    .description(`${COMMANDS["new"]}. Existing files are never overwritten.`);
  for (const [sort, [what, use, kind]] of Object.entries(DEFINED)) {
    const about = `Write NAME.ts with ${what} and NAME_test.ts with its test.`;
    const write = printingAnswer((name: string, { folder }: { readonly folder: string }) =>
      create(
        name,
        folder,
        (at) => filesOf(sort, name, at),
        use?.(`./${name}.ts`),
        kind === undefined ? undefined : [NATIVE, `${kind}:native`],
      )
    );
    command.addCommand(subcommand(sort, about, "the name of its files").action(write));
  }
  const templates = Object.entries(TEMPLATES).map(([name, [what]]) => `${name}: ${what}`).join("; ");
  const template = new Option("-t, --template <template>", templates).choices(Object.keys(TEMPLATES)).default("smoke");
  const pipeline = subcommand("pipeline", "Write NAME.yaml with a pipeline.", "its name and that of the file")
    .addOption(template)
    .action(
      printingAnswer((name, { template, folder }) => {
        const asks = template === "pytorch" ? ["it may start python3", "train:run=python3"] : undefined;
        return create(name, folder, (at) => pipelineFiles(name, template, at), undefined, asks);
      }),
    );
  return command.addCommand(pipeline);
}
