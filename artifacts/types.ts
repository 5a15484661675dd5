import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import type {
  Facts,
  InputArtifact,
  OutputArtifact,
  OutputPorts,
  StageDefinition,
  StageEnd,
  StageRun,
} from "../contract/stage.ts";
import { FormatError } from "../formats/format_error.ts";

/** What the module of a type says of its artifacts. */
interface TypeModule {
  /** @throws FormatError for what a built-in stage would not take */
  readonly validate: (artifact: InputArtifact) => Promise<unknown>;
  /** What checks know of an artifact before it exists, read from one that does. @throws FormatError */
  readonly facts?: (artifact: InputArtifact) => Promise<Facts>;
}

interface Type {
  /** Loaded where it is needed. */
  readonly load: () => Promise<TypeModule>;
  /** How a custom stage writes one. */
  readonly fix?: string;
}

const IMAGES: Type = { load: () => import("./images.ts"), fix: 'write it with writeImages of "noiseline"' };

/** Artifacts of types without an entry may hold any files. */
const TYPES: Partial<Record<InputArtifact["type"], Type>> = {
  images: IMAGES,
  samples: IMAGES,
  schedule: { load: () => import("./schedule.ts") },
  checkpoint: { load: () => import("./checkpoint.ts") },
  features: { load: () => import("./features.ts") },
  statistics: { load: () => import("./statistics.ts") },
  classifier: { load: () => import("./classifier.ts") },
  selection: { load: () => import("./selection.ts") },
  metrics: { load: () => import("./metrics.ts"), fix: 'write it with writeMetrics of "noiseline"' },
  log: { load: () => import("./log.ts"), fix: 'write lines such as {"step":1,"loss":0.5} to log.jsonl' },
};

/** The facts of an artifact; undefined for a type that has none. @throws FormatError for one that is none of its type */
export async function factsOf(artifact: InputArtifact): Promise<Facts | undefined> {
  return await (await TYPES[artifact.type]?.load())?.facts?.(artifact);
}

/** A stage whose input and output files are checked against their types: what does not fit is a failure, not a bug. */
export function holdToTypes(stage: StageRun | StageDefinition): StageRun {
  const run = typeof stage === "function" ? stage : stage.run;
  // A built-in stage writes with the code that others read with.
  const ports = typeof stage === "function" ? {} : stage.outputs;
  return async (context) => {
    try {
      return await run(context) ?? await validateOutputs(context.shard === undefined ? ports : {}, context.outputs);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const { message, fix = "correct the stage or the file that it comes from" } = error;
      return { status: "failed", message, fix };
    }
  };
}

async function validateOutputs(
  ports: OutputPorts,
  outputs: Readonly<Record<string, OutputArtifact>>,
): Promise<StageEnd | undefined> {
  for (const [port, { type }] of Object.entries(ports)) {
    const known = TYPES[type];
    if (known === undefined) continue;
    const artifact = openWritten(type, outputs[port]!.folder);
    // That nothing was written is for the engine to say.
    if (artifact.files.length === 0) continue;
    const { validate } = await known.load();
    try {
      await validate(artifact);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const { fix = "write the files of a built-in stage's artifact of this type, or declare type: files" } = known;
      return { status: "failed", message: `output "${port}" is not of type ${type}: ${error.message}`, fix };
    }
  }
  return undefined;
}

/** What a stage wrote, as who reads it will see it. */
function openWritten(type: InputArtifact["type"], folder: string): InputArtifact {
  let files: InputArtifact["files"] = [];
  try {
    files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .map((path) => ({ path: relative(folder, path).replaceAll("\\", "/"), size: statSync(path).size, sha256: "" }));
  } catch {
    // The stage did to its folder what leaves nothing to look at, which the engine will see as well.
  }
  const path = (name: string) => join(folder, name);
  return {
    type,
    digest: "",
    files,
    path,
    read: (name) => Deno.readFile(path(name)),
    readText: (name) => Deno.readTextFile(path(name)),
  };
}
