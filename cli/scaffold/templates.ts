import { join, relative } from "node:path";
import { PACKAGE, TOOLKIT } from "../program.ts";
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
