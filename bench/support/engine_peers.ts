import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { type Call, firstLine } from "./measure.ts";
import { commandOf, pipelineOf, type Shape } from "./shapes.ts";
import { userFolder } from "../../std/user_folder.ts";

/** A tool that brings a graph of stages up to date. */
export interface Contender {
  readonly name: string;
  /** Its version, or undefined where it is not installed. */
  readonly version: () => Promise<string | undefined>;
  /** Largest graph that it bears in minutes. */
  readonly most: number;
  /** Takes minutes for a first run of more than a hundred stages, and so gets one. */
  readonly slow?: boolean;
  /** Lay out a project; what this takes is not timed. */
  readonly prepare: (folder: string, shape: Shape) => Promise<void>;
  /** Makes everything, and nothing where all is there. */
  readonly run: (shape: Shape) => Call;
  /** What stage `i` leaves. */
  readonly output: (shape: Shape, stage: number) => string;
}

/** Where peers are kept that no system package brings. */
const PEERS = userFolder("bench");
const WIREIT = join(PEERS, "wireit", "node_modules", "wireit");
const DVC = join(PEERS, "dvc", "bin", "dvc");
const DVC_ENV = { DVC_NO_ANALYTICS: "1" };
const CLI = fileURLToPath(import.meta.resolve("./cli.ts"));

const textOf = (_: Shape, stage: number) => join("out", `s${stage}.txt`);
const stagesOf = ({ count }: Shape) => Array.from({ length: count }, (_, stage) => stage);

async function writeProject(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await Deno.mkdir(join(folder, "out"));
  for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(join(folder, name), text);
}

export const OURS: Contender = {
  name: "noiseline",
  version: async () => (await firstLine(Deno.execPath(), ["run", "-A", CLI, "--version"]))!,
  most: 10_000,
  prepare: (folder, shape) => writeProject(folder, { "deno.json": "{}", "pipeline.yaml": pipelineOf(shape) }),
  run: () => ({ program: Deno.execPath(), args: ["run", "-A", CLI, "run", "pipeline.yaml"] }),
  output: ({ name }, stage) => join("outputs", name, `s${stage}`, "value.txt"),
};

const ninja: Contender = {
  name: "ninja",
  version: () => firstLine("ninja", ["--version"]),
  most: 10_000,
  prepare: (folder, shape) => {
    const builds = stagesOf(shape).map((stage) => {
      const from = shape.before(stage);
      return `build out/s${stage}.txt: stage${from === undefined ? "" : ` out/s${from}.txt`}\n` +
        `  cmd = ${commandOf(shape, stage)}\n`;
    });
    return writeProject(folder, { "build.ninja": `rule stage\n  command = $cmd\n${builds.join("")}` });
  },
  run: () => ({ program: "ninja", args: ["--quiet"] }),
  output: textOf,
};

/** A project whose own file reads the stages, the command of each and the stage before it, from `stages.json`. */
async function writeWithStages(folder: string, shape: Shape, file: string): Promise<void> {
  const stages = stagesOf(shape).map((stage) => [commandOf(shape, stage), shape.before(stage) ?? null]);
  await writeProject(folder, { "stages.json": JSON.stringify(stages) });
  await Deno.copyFile(new URL(`../peers/${file}`, import.meta.url), join(folder, file));
}

/** A tool that reads `stages.json` by a file of its own. */
function scripted(name: string, most: number, file: string, args: readonly string[]): Contender {
  return {
    name,
    version: () => firstLine(name, ["--version"]),
    most,
    prepare: (folder, shape) => writeWithStages(folder, shape, file),
    run: () => ({ program: name, args }),
    output: textOf,
  };
}

const doit = scripted("doit", 10_000, "dodo.py", ["-n", "2"]);
const snakemake = scripted("snakemake", 1_000, "Snakefile", ["--cores", "2", "--quiet"]);

const wireit: Contender = {
  name: "wireit",
  version: () => firstLine("node", ["-p", `require(${JSON.stringify(join(WIREIT, "package.json"))}).version`]),
  most: 1_000,
  prepare: async (folder, shape) => {
    const names = stagesOf(shape).map((stage) => `s${stage}`);
    const scripts = Object.fromEntries(["all", ...names].map((name) => [name, "wireit"]));
    const stages = stagesOf(shape).map((stage) => {
      const from = shape.before(stage);
      const dependencies = from === undefined ? [] : [`s${from}`];
      return [`s${stage}`, {
        command: commandOf(shape, stage),
        dependencies,
        files: [],
        output: [`out/s${stage}.txt`],
      }];
    });
    const config = { all: { dependencies: names }, ...Object.fromEntries(stages) };
    await writeProject(folder, { "package.json": JSON.stringify({ name: "bench", scripts, wireit: config }) });
    await Deno.symlink(join(PEERS, "wireit", "node_modules"), join(folder, "node_modules"));
  },
  run: () => ({ program: "npm", args: ["run", "--silent", "all"] }),
  output: textOf,
};

const dvc: Contender = {
  name: "dvc",
  slow: true,
  version: () => firstLine(DVC, ["--version"]),
  most: 1_000,
  prepare: async (folder, shape) => {
    const stages = Object.fromEntries(
      stagesOf(shape).map((stage) => {
        const from = shape.before(stage);
        const deps = from === undefined ? {} : { deps: [`out/s${from}.txt`] };
        return [`s${stage}`, { cmd: commandOf(shape, stage), ...deps, outs: [`out/s${stage}.txt`] }];
      }),
    );
    // JSON is YAML.
    await writeProject(folder, { "dvc.yaml": JSON.stringify({ stages }) });
    const { success } = await new Deno.Command(DVC, {
      args: ["init", "--no-scm", "--quiet"],
      cwd: folder,
      env: DVC_ENV,
    }).output();
    if (!success) throw new Error("dvc init failed");
  },
  run: () => ({ program: DVC, args: ["repro", "--quiet"], env: DVC_ENV }),
  output: textOf,
};

export const PEER_CONTENDERS: readonly Contender[] = [ninja, doit, snakemake, wireit, dvc];

/** Bring the peers that no system package has into the user's cache folder. */
export async function installPeers(): Promise<void> {
  await Deno.mkdir(join(PEERS, "wireit"), { recursive: true });
  const steps: [string, string[]][] = [
    ["python3", ["-m", "venv", join(PEERS, "dvc")]],
    [join(PEERS, "dvc", "bin", "pip"), ["install", "--quiet", "dvc"]],
    ["npm", ["install", "--prefix", join(PEERS, "wireit"), "--no-audit", "--no-fund", "wireit"]],
  ];
  for (const [program, args] of steps) {
    const { success } = await new Deno.Command(program, { args, stdout: "null", stderr: "inherit" }).output();
    if (!success) throw new Error(`Cannot install the peers: ${program} ${args.join(" ")} failed`);
  }
}
