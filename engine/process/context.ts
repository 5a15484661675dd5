import { dirname, join } from "node:path";
import { z } from "zod";
import { type ArtifactRecord, type FileEntry, relativePathSchema } from "../../schemas/records.ts";
import type { InputArtifact, OutputArtifact, StageContext, StageRun } from "../contract/stage.ts";
import { makeFolder, writeUnflushed } from "../store/files.ts";
import { ProgressStore } from "../store/progress.ts";
import { allowWritesBelow } from "../store/write_roots.ts";
import {
  failed,
  type InputMessage,
  MAX_PREVIEW_BYTES,
  stageEndSchema,
  type StageEvent,
  type StageOutcome,
  type StartMessage,
} from "./protocol.ts";
import { cutText } from "./lines.ts";
import { outcomeOfThrow } from "./refusal.ts";
import type { ObjectStore } from "../store/objects.ts";
import { MisplacedError } from "../store/io_errors.ts";
import type { ArtifactType } from "../../schemas/artifacts.ts";
import { artifactDigest } from "../keys/keys.ts";
import { hashFile } from "../store/reading.ts";
import { listFiles } from "../store/folders.ts";

/** Finds a file of an artifact by its content, for stages that run in a process with access to the store. */
type LocateObject = (file: FileEntry) => string;

/**
 * Opens an input.
 * @param locate finds the files of a message without a folder
 */
export function openInput(message: InputMessage, locate?: LocateObject): InputArtifact {
  const path = (name: string): string => {
    const file = message.files.find((one) => one.path === name);
    if (file === undefined) {
      const names = message.files.slice(0, 8).map((file) => file.path).join(", ");
      throw new RangeError(`The ${message.type} artifact has no file "${name}": it has ${names || "none"}`);
    }
    return message.folder === null ? locate!(file) : join(message.folder, name);
  };
  return {
    type: message.type,
    digest: message.digest,
    files: message.files,
    path,
    read: (name) => Deno.readFile(path(name)),
    readText: (name) => Deno.readTextFile(path(name)),
  };
}

export function openOutput(folder: string): OutputArtifact {
  allowWritesBelow(folder);
  return {
    folder,
    write: (name, content) => {
      if (!relativePathSchema.safeParse(name).success) {
        throw new RangeError(
          `Output file ${JSON.stringify(name)}: wanted a relative path without . or .. or odd characters`,
        );
      }
      const target = join(folder, name);
      if (name.includes("/")) makeFolder(dirname(target));
      // The engine flushes files when it takes them into the store; flushing them here too would only cost time.
      writeUnflushed(target, content);
      return Promise.resolve();
    },
  };
}

/** A preview as a stage passes it, which may be anything. */
const pictureSchema = z.strictObject({
  step: z.int("is not a whole number").min(0, "is below 0"),
  png: z.instanceof(Uint8Array, { error: "is no Uint8Array" }),
  seconds: z.number("is no number").min(0, "is below 0").exactOptional(),
});

/** Makes the context of a stage: the same in this process, in a worker and in a test. */
export function makeContext(
  { inputs, outputs: folders, share, parts = [], progressFolder, progressLimit, sendsAll, ...given }: StartMessage,
  stop: AbortSignal,
  emit: (event: StageEvent) => void,
  locate?: LocateObject,
): StageContext {
  const open = (message: InputMessage) => openInput(message, locate);
  const opened = Object.entries(inputs).map(([port, message]) => {
    if (message === null) return [port, undefined];
    return [port, "folder" in message ? open(message) : message.map(open)];
  });
  const outputs = Object.fromEntries(Object.entries(folders).map(([port, folder]) => [port, openOutput(folder)]));
  const progress = new ProgressStore(
    progressFolder,
    progressLimit,
    (step) => emit({ type: "saved", step }),
    (step) =>
      emit({ type: "warn", message: `the state saved at step ${step} is damaged; going on from an earlier one` }),
    (step) => emit({ type: "loaded", step }),
    sendsAll === true ? (step) => emit({ type: "saving", step }) : undefined,
  );
  return {
    ...given,
    inputs: Object.fromEntries(opened),
    outputs,
    progress,
    share: share && { ...share, part: Object.values(outputs)[0]! },
    parts: parts.map(open),
    definitions: [],
    stop,
    report: (update) => emit({ type: "progress", update }),
    preview: (picture) => {
      const { data, error } = pictureSchema.safeParse(picture);
      if (data === undefined) {
        const wrong = error.issues.map(({ path, message }) => `${path.join(".")} ${message}`.trim()).join("; ");
        return emit({ type: "warn", message: cutText(`a preview is left out: ${wrong}`) });
      }
      const { png, ...rest } = data;
      emit({ type: "preview", png: png.length > MAX_PREVIEW_BYTES ? "" : png.toBase64(), ...rest });
    },
    note: (message) => emit({ type: "note", message: cutText(String(message)) }),
    warn: (message) => emit({ type: "warn", message: cutText(String(message)) }),
  };
}

/** Returns the folders with the files that a stage reads. */
export function inputFolders({ inputs, parts = [] }: StartMessage): string[] {
  return [Object.values(inputs), parts].flat(2).flatMap((one) => one?.folder ?? []);
}

/** Runs a stage's code to its end. A throw becomes a value here, so that callers handle every kind of end alike. */
export async function runStage(
  run: StageRun,
  context: StageContext,
  inputs: readonly string[] = [],
): Promise<StageOutcome> {
  try {
    const end: unknown = await run(context);
    if (end === undefined) return { status: "complete" };
    const parsed = stageEndSchema.safeParse(end);
    if (parsed.success) return parsed.data;
    const message = `the stage returned something that is not a way to end: ${cutText(Deno.inspect(end))}`;
    return failed(message, 'return nothing, { status: "failed", message } or { status: "interrupted", step }');
  } catch (error) {
    return outcomeOfThrow(error, inputs, Object.values(context.outputs)[0]?.folder);
  }
}

/** Opens an artifact of the store for reading outside a stage. @throws MisplacedError for a missing or damaged file */
export function openStoredArtifact({ type, digest, files }: ArtifactRecord, objects: ObjectStore): InputArtifact {
  return openInput({ type, digest, files, folder: null }, (file) => {
    // A page of damaged numbers would be worse than none.
    if (objects.verify(file)) return objects.pathOf(file.sha256);
    throw new MisplacedError(`${file.path} is missing or damaged in the store; run the pipeline again`);
  });
}

/** Returns the files of a folder as an artifact, for a stage that runs without a store. */
export function folderArtifact(folder: string, type: ArtifactType): InputMessage {
  const files = listFiles(folder).files.map((path) => {
    const place = join(folder, path);
    return { path, size: Deno.statSync(place).size, sha256: hashFile(place) };
  });
  return { type, digest: artifactDigest(type, files), files, folder };
}
