import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import type {
  Facts,
  InputArtifact,
  OutputPorts,
  StageContext,
  StageDefinition,
  StageEnd,
  StageRun,
} from "../engine/contract/stage.ts";
import { FormatError } from "../science/formats/format_error.ts";

/** The functions that the module of an artifact type exports. */
interface TypeModule {
  /** @throws FormatError for an artifact that a built-in stage would not accept */
  readonly validate: (artifact: InputArtifact) => Promise<unknown>;
  /** Reads from an existing artifact the facts that checks know of one before it exists. @throws FormatError */
  readonly facts?: (artifact: InputArtifact) => Promise<Facts>;
}

interface Type {
  /** Loads the module when it is needed. */
  readonly load: () => Promise<TypeModule>;
  /** Advice for a custom stage that wrote the type wrongly. */
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
  autoencoder: { load: () => import("./autoencoder.ts") },
  selection: { load: () => import("./selection.ts") },
  metrics: { load: () => import("./metrics.ts"), fix: 'write it with writeMetrics of "noiseline"' },
  picture: { load: () => import("./picture.ts"), fix: "write picture.png or picture.svg, and caption.txt beside it" },
  log: { load: () => import("./log.ts"), fix: 'write lines such as {"step":1,"loss":0.5} to log.jsonl' },
};

/**
 * Returns the facts of an artifact; undefined for a type without facts.
 * @throws FormatError if the artifact is not of its type
 */
export async function factsOf(artifact: InputArtifact): Promise<Facts | undefined> {
  return await (await TYPES[artifact.type]?.load())?.facts?.(artifact);
}

/**
 * Wraps a stage so that its input and output files are checked against their types: a wrong file is a failure, not a
 * bug.
 */
export function withTypeChecks(stage: StageRun | StageDefinition): StageRun {
  const run = typeof stage === "function" ? stage : stage.run;
  // The outputs of a built-in stage are not checked: it writes with the code that others read with.
  const ports = typeof stage === "function" ? {} : stage.outputs;
  return async (context) => {
    try {
      const end = await run(context);
      if (end !== undefined || context.share !== undefined) return end;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const { message, fix = "correct the stage or the file that it comes from" } = error;
      return { status: "failed", message, fix };
    }
    return await checkOutputs(ports, context.outputs);
  };
}

/**
 * Reads the outputs of a stage, as those do that get them.
 * @param adviceFor says how a type is written; by default as a stage in TypeScript does it
 * @returns those that are not of their types
 */
export async function checkOutputs(
  ports: OutputPorts,
  outputs: StageContext["outputs"],
  adviceFor: (type: InputArtifact["type"]) => string = (type) => TYPES[type]?.fix ?? ELSE,
): Promise<StageEnd | undefined> {
  const wrong: string[] = [];
  const fixes = new Set<string>();
  for (const [port, { type }] of Object.entries(ports)) {
    const artifact = openWritten(type, outputs[port]!.folder);
    // The engine reports outputs that are missing.
    if (artifact.files.length === 0) continue;
    const known = await TYPES[type]?.load();
    try {
      await known?.validate(artifact);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      wrong.push(`output "${port}" is not of type ${type}: ${error.message}`);
      fixes.add(adviceFor(type));
    }
  }
  if (wrong.length === 0) return undefined;
  return { status: "failed", message: wrong.join("\n"), fix: [...fixes].join("; ") };
}

const ELSE = "write the files of a built-in stage's artifact of this type, or declare type: files";

/** Opens files that a stage wrote, as its readers will see them. */
function openWritten(type: InputArtifact["type"], folder: string): InputArtifact {
  let files: InputArtifact["files"] = [];
  try {
    files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .map((path) => ({ path: relative(folder, path).replaceAll("\\", "/"), size: statSync(path).size, sha256: "" }));
  } catch {
    // The stage left a folder that cannot be listed. The engine will notice that as well.
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
