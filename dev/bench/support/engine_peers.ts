import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { type Call, firstLine, measure } from "./measure.ts";
import { commandOf, pipelineOf, readBy, type Shape, textOf } from "./shapes.ts";

/** A tool that brings a graph of stages up to date. */
export interface Contender {
  readonly name: string;
  /** Returns the tool's version, or undefined if it is not installed. */
  readonly version: () => Promise<string | undefined>;
  /** Size of the largest graph that the tool handles within minutes, if there is such a limit. */
  readonly most?: number;
  /** Contents of the project by file; writing them is not timed. */
  readonly files: (shape: Shape) => Readonly<Record<string, string>>;
  /** Prepares the project further, once its files exist. */
  readonly prepare?: (folder: string) => Promise<unknown>;
  /** Makes all outputs; does nothing if all are up to date. */
  readonly run: Call;
  /** Returns the output of stage `i`, if it is not the usual text file. */
  readonly output?: (shape: Shape, stage: number) => string;
}

const DVC_ENV = { DVC_NO_ANALYTICS: "1" };
const CLI = fileURLToPath(import.meta.resolve("./cli.ts"));

const stagesOf = ({ count }: Shape) => Array.from({ length: count }, (_, stage) => stage);

export const OURS: Contender = {
  name: "noiseline",
  version: async () => (await firstLine(Deno.execPath(), ["run", "-A", CLI, "--version"]))!,
  files: (shape) => ({ "deno.json": "{}", "pipeline.yaml": pipelineOf(shape) }),
  run: { program: Deno.execPath(), args: ["run", "-A", CLI, "run", "pipeline.yaml"] },
  output: ({ name }, stage) => join("outputs", name, `s${stage}`, "value.txt"),
};

const ninja: Contender = {
  name: "ninja",
  version: () => firstLine("ninja", ["--version"]),
  files: (shape) => {
    const builds = stagesOf(shape).map((stage) =>
      `build ${textOf(stage)}: stage ${readBy(shape, stage)}\n  cmd = ${commandOf(shape, stage)}\n`
    );
    return { "build.ninja": `rule stage\n  command = $cmd\n${builds.join("")}` };
  },
  run: { program: "ninja", args: ["--quiet"] },
};

const snakemake: Contender = {
  name: "snakemake",
  version: () => firstLine("snakemake", ["--version"]),
  most: 1_000,
  files: (shape) => ({
    Snakefile: Deno.readTextFileSync(new URL("../peers/Snakefile", import.meta.url)),
    "stages.json": JSON.stringify(stagesOf(shape).map((at) => [commandOf(shape, at), shape.before(at) ?? null])),
  }),
  run: { program: "snakemake", args: ["--cores", "2", "--quiet"] },
};

const dvc: Contender = {
  name: "dvc",
  version: () => firstLine("dvc", ["--version"]),
  most: 100,
  files: (shape) => {
    const stages = stagesOf(shape).map((stage) => {
      const deps = [readBy(shape, stage)].filter(Boolean);
      return [`s${stage}`, { cmd: commandOf(shape, stage), deps, outs: [textOf(stage)] }];
    });
    // JSON is also valid YAML.
    return { "dvc.yaml": JSON.stringify({ stages: Object.fromEntries(stages) }) };
  },
  prepare: (folder) => measure({ program: "dvc", args: ["init", "--no-scm", "--quiet"], env: DVC_ENV }, folder),
  run: { program: "dvc", args: ["repro", "--quiet"], env: DVC_ENV },
};

export const PEER_CONTENDERS: readonly Contender[] = [ninja, snakemake, dvc];
