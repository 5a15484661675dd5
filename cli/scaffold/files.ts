import { join, relative, sep } from "node:path";
import { isThere, nearestConfig, PACKAGE, packageProgram, programIn, TOOLKIT } from "../program.ts";
import manifest from "../../deno.json" with { type: "json" };

export interface NewFile {
  /** Relative to the folder that the user chose. */
  readonly path: string;
  readonly text: string;
}

/** Pipelines of the toolkit that are a good start, each with what it is. */
export const PIPELINE_TEMPLATES = {
  smoke: "data, training, samples and scores in seconds",
  digits: "train on digits and score the samples, in minutes",
  custom: "a data set and a stage of your own",
} as const;

export type PipelineTemplate = keyof typeof PIPELINE_TEMPLATES;

const read = (...parts: string[]): string => Deno.readTextFileSync(join(TOOLKIT, ...parts));

/** Editors find the schema from where the file will lie. */
function withSchema(text: string, folder: string): string {
  const file = "schemas/pipeline.schema.json";
  const schema = PACKAGE === undefined
    ? relative(folder, join(TOOLKIT, file)).replaceAll("\\", "/")
    : `https://jsr.io/${PACKAGE}/${manifest.version}/${file}`;
  return text.replace(/(\$schema=).*/, (_, before) => `${before}${schema}`);
}

/** Publishing makes paths of noiseline's own names. */
function asImported(path: string): string {
  const door = Object.entries(manifest.exports).find(([, file]) => path.endsWith(`../${file.slice(2)}`))?.[0];
  return door === undefined ? path : `${PACKAGE}${door.slice(1)}`;
}

/** A stage with its test, and a pipeline that uses it. @param folder absolute */
export function stageFiles(name: string, folder: string): NewFile[] {
  return ["new_stage.ts", "new_stage_test.ts", "new_stage.yaml"].map((file) => {
    const text = read("cli/templates/stage", file).replaceAll("new_stage", name)
      .replaceAll(/(?<=from ")[^"]+/g, asImported);
    return { path: file.replace("new_stage", name), text: file.endsWith(".yaml") ? withSchema(text, folder) : text };
  });
}

/** @param folder absolute */
export function pipelineFiles(name: string, template: PipelineTemplate, folder: string): NewFile[] {
  if (template === "custom") return stageFiles(name, folder);
  const text = read("pipelines", `${template}.yaml`).replace(/^name: .*$/m, `name: ${name}`)
    .replaceAll(`outputs/${template}/`, `outputs/${name}/`);
  return [{ path: `${name}.yaml`, text: withSchema(text, folder) }];
}

/** Where new files are to lie, as far as it matters for what Deno makes of them. */
export interface Place {
  /** Absolute. */
  readonly folder: string;
  /** Settings that the folder needs, if it has none of its own. */
  readonly settings: readonly NewFile[];
  /** What to put behind `deno test` and the like, so that `noiseline` is found. */
  readonly flags: readonly string[];
  /** What to type first, so that `noiseline` is found. */
  readonly first: readonly (readonly string[])[];
  /** What stands for `noiseline` on the command line. */
  readonly program: readonly string[];
}

/**
 * Settings that make a folder outside the clone as good as one inside: the clone's imports, and its compiler's options,
 * as the toolkit's own code is checked along with what imports it. Of a package Deno needs to know the name.
 */
function settingsFor(folder: string): NewFile {
  const from = (path: string) => relative(folder, join(TOOLKIT, path)).replaceAll(sep, "/");
  const range = `^${manifest.version}`;
  const text = JSON.stringify(
    {
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
    },
    null,
    2,
  );
  return { path: "deno.json", text: `${text}\n` };
}

/** Look at a folder, which need not exist yet. */
export function findPlace(folder: string): Place {
  const clone = join(TOOLKIT, "deno.json");
  const config = nearestConfig(folder);
  const place = { folder, settings: [], flags: [], first: [] };
  if (config === clone) return { ...place, program: ["deno", "task"] };
  if (config === undefined) {
    const settings = settingsFor(folder);
    return { ...place, settings: [settings], program: ["deno", "task", "noiseline"] };
  }
  // Somebody's own settings are not ours to change.
  const program = programIn(folder);
  if (PACKAGE === undefined) return { ...place, flags: [`--config=${clone}`], program };
  const known = Deno.readTextFileSync(config).includes(`"${PACKAGE}"`);
  return { ...place, first: known ? [] : [["deno", "add", `jsr:${PACKAGE}@^${manifest.version}`]], program };
}

/** Files that would be written over. */
export function filesInTheWay(folder: string, files: readonly NewFile[]): string[] {
  return files.map(({ path }) => path).filter((path) => isThere(join(folder, path)));
}

/** Write files that are not there yet; one that appears meanwhile is not written over. */
export function writeFiles(folder: string, files: readonly NewFile[]): void {
  Deno.mkdirSync(folder, { recursive: true });
  for (const { path, text } of files) Deno.writeTextFileSync(join(folder, path), text, { createNew: true });
}
