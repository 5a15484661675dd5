import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { z } from "zod";
import { FormatError } from "../../formats/format_error.ts";
import { SELECTION_FILE, selectionSchema } from "../../schemas/selection.ts";
import type { InputArtifact, OutputArtifact, OutputPorts, StageDefinition, StageEnd, StageRun } from "../contract.ts";
import { fileOf, parseRecord, readJson } from "./artifact_record.ts";
import { readMetrics } from "./metrics.ts";

const logLineSchema = z.looseObject({
  step: z.int().min(0),
  loss: z.number().optional(),
  gradNorm: z.number().optional(),
  learningRate: z.number().optional(),
});

interface Check {
  /** Throws FormatError for what a built-in stage would not take. Readers are loaded where they are needed. */
  readonly read: (artifact: InputArtifact) => Promise<unknown>;
  readonly fix: string;
}

const IMAGES: Check = {
  read: async (artifact) => await (await import("./images.ts")).checkImages(artifact),
  fix: 'write it with writeImages of "noiseline/data"',
};

const LIKE_BUILTIN = "write the files of a built-in stage's artifact of this type, or declare type: files";

/** By artifact type; types without an entry may hold any files. */
const CHECKS: Partial<Record<InputArtifact["type"], Check>> = {
  images: IMAGES,
  samples: IMAGES,
  metrics: { read: readMetrics, fix: 'write it with writeMetrics of "noiseline"' },
  selection: { read: (artifact) => readJson(artifact, SELECTION_FILE, selectionSchema), fix: LIKE_BUILTIN },
  log: { read: checkLog, fix: "write lines such as {step: 1, loss: 0.5} as JSON to log.jsonl" },
  schedule: {
    read: async (artifact) => await (await import("./schedule_files.ts")).readSchedule(artifact),
    fix: LIKE_BUILTIN,
  },
  checkpoint: {
    read: async (artifact) => {
      const { readCheckpoint } = await import("./checkpoint.ts");
      for (const weights of ["raw", "ema"] as const) await readCheckpoint(artifact, weights);
    },
    fix: LIKE_BUILTIN,
  },
  features: {
    read: async (artifact) => (await (await import("./features_file.ts")).openFeatures(artifact)).close(),
    fix: LIKE_BUILTIN,
  },
  statistics: {
    read: async (artifact) => await (await import("./statistics_file.ts")).readStatistics(artifact),
    fix: LIKE_BUILTIN,
  },
  classifier: {
    read: async (artifact) => await (await import("./classifier.ts")).readClassifier(artifact),
    fix: LIKE_BUILTIN,
  },
};

/** A stage whose files, on both sides, are held to their types: what does not fit is a failure, and no bug. */
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
    const [check, artifact] = [CHECKS[type], openWritten(type, outputs[port]!.folder)];
    // That nothing was written is for the engine to say.
    if (check === undefined || artifact.files.length === 0) continue;
    try {
      await check.read(artifact);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return { status: "failed", message: `output "${port}" is no ${type}: ${error.message}`, fix: check.fix };
    }
  }
  return undefined;
}

/** What a stage wrote, as who reads it will see it. */
function openWritten(type: InputArtifact["type"], folder: string): InputArtifact {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return { path: relative(folder, path).replaceAll("\\", "/"), size: statSync(path).size, sha256: "" };
    });
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
  const lines = (await artifact.readText(fileOf(artifact, "log.jsonl").path)).split("\n");
  for (const [i, line] of lines.entries()) {
    if (line === "" && i === lines.length - 1) continue;
    const where = `log.jsonl, line ${i + 1}`;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw new FormatError(where, { got: "text that is not JSON", wanted: "a JSON object" });
    }
    parseRecord(where, value, logLineSchema);
  }
}
