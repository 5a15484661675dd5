import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { z } from "zod";
import { FormatError } from "../formats/format_error.ts";
import { parseJsonl } from "../formats/jsonl.ts";
import { SELECTION_FILE, selectionSchema } from "../schemas/selection.ts";
import type {
  InputArtifact,
  OutputArtifact,
  OutputPorts,
  StageDefinition,
  StageEnd,
  StageRun,
} from "../contract/stage.ts";
import { fileOf, parseRecord, readJson } from "./record.ts";
import { readMetrics } from "./metrics.ts";

const logLineSchema = z.looseObject({
  step: z.int().min(0),
  loss: z.number().optional(),
  gradNorm: z.number().optional(),
  learningRate: z.number().optional(),
});

type Read = (artifact: InputArtifact) => Promise<unknown>;

const checkImages: Read = async (artifact) => await (await import("./images.ts")).checkImages(artifact);

/** Throw FormatError for what a built-in stage would not take; types without an entry may hold any files. */
const READERS: Partial<Record<InputArtifact["type"], Read>> = {
  images: checkImages,
  samples: checkImages,
  metrics: readMetrics,
  selection: (artifact) => readJson(artifact, SELECTION_FILE, selectionSchema),
  log: checkLog,
  // Loaded where they are needed.
  schedule: async (artifact) => await (await import("./schedule.ts")).readSchedule(artifact),
  checkpoint: async (artifact) => {
    const { readCheckpoint } = await import("./checkpoint.ts");
    for (const weights of ["raw", "ema"] as const) await readCheckpoint(artifact, weights);
  },
  features: async (artifact) => (await (await import("./features.ts")).openFeatures(artifact)).close(),
  statistics: async (artifact) => await (await import("./statistics.ts")).readStatistics(artifact),
  classifier: async (artifact) => await (await import("./classifier.ts")).readClassifier(artifact),
};

const FIXES: Partial<Record<InputArtifact["type"], string>> = {
  images: 'write it with writeImages of "noiseline"',
  samples: 'write it with writeImages of "noiseline"',
  metrics: 'write it with writeMetrics of "noiseline"',
  log: 'write lines such as {"step":1,"loss":0.5} to log.jsonl',
};

/** A stage whose input and output files are checked against their types: what does not fit is a failure, not a bug. */
export function holdToTypes(stage: StageRun | StageDefinition): StageRun {
  const run = typeof stage === "function" ? stage : stage.run;
  // A built-in stage writes with the code that others read with.
  const ports = typeof stage === "function" ? {} : stage.outputs;
  return async (context) => {
    try {
      return await run(context) ?? await checkOutputs(ports, context.outputs);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return { status: "failed", message: error.message, fix: "correct the stage or the file that it comes from" };
    }
  };
}

async function checkOutputs(
  ports: OutputPorts,
  outputs: Readonly<Record<string, OutputArtifact>>,
): Promise<StageEnd | undefined> {
  for (const [port, { type }] of Object.entries(ports)) {
    const read = READERS[type];
    if (read === undefined) continue;
    const artifact = openWritten(type, outputs[port]!.folder);
    // That nothing was written is for the engine to say.
    if (artifact.files.length === 0) continue;
    try {
      await read(artifact);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const { [type]: fix = "write the files of a built-in stage's artifact of this type, or declare type: files" } =
        FIXES;
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

async function checkLog(artifact: InputArtifact): Promise<void> {
  const { records, torn } = parseJsonl(await artifact.readText(fileOf(artifact, "log.jsonl").path));
  if (torn !== undefined) {
    throw new FormatError("log.jsonl", { got: "a last line that is cut off", wanted: "JSON lines" });
  }
  for (const [i, record] of records.entries()) parseRecord(`log.jsonl, record ${i + 1}`, record, logLineSchema);
}
