import { readAutoencoder, type StoredDecoder } from "../../../artifacts/autoencoder.ts";
import { readCheckpoint, type StoredCheckpoint } from "../../../artifacts/checkpoint.ts";
import type { InputArtifact, OwnDefinition } from "../../../engine/contract/stage.ts";
import { FormatError } from "../../../science/formats/format_error.ts";
import { CompileError } from "../../../science/tensor/trace/failure.ts";
import { describeProblem } from "../../shared/checks.ts";
import { NonFiniteImages, SamplerError } from "../../shared/draw/walk.ts";
import { sampleFrames } from "../frames.ts";
import { OPEN, type Opened } from "./backends.ts";
import { bytesOf, MOST_FRAMES } from "./protocol.ts";
import type { DemoData, FromWorker, Port, ToWorker } from "./protocol.ts";

/** As `MOST_FRAMES`, of decoded images, which cost time. */
const MOST_DECODED = 10;

/**
 * Samples images that the page asks for, a batch at a time.
 * @param definitions the user's definitions that the page was made with
 */
export function serve(port: Port<FromWorker, ToWorker>, definitions: readonly OwnDefinition[]): void {
  let checkpoint: StoredCheckpoint | undefined;
  let decoder: StoredDecoder | undefined;
  let engine: Opened | undefined;
  let stopped = false;
  const answer = async (message: Exclude<ToWorker, { kind: "stop" }>): Promise<FromWorker> => {
    if (message.kind === "open") {
      const { backend, data, forced } = message;
      checkpoint ??= await readCheckpoint(artifactOf("checkpoint", data.files), data.weights, definitions);
      decoder ??= data.decoder && await readAutoencoder(artifactOf("autoencoder", data.decoder), "raw", definitions);
      engine = await OPEN[backend](forced, data.wasm);
      return { kind: "opened", on: engine.on };
    }
    const device = await engine!.device();
    try {
      await sampleFrames({ checkpoint: checkpoint!, decoder, definitions }, device, message, {
        most: decoder === undefined ? MOST_FRAMES : MOST_DECODED,
        onStep() {
          if (stopped) throw new Error("The page said stop");
        },
        see: (frame) => port.postMessage({ kind: "frame", frame }),
      });
    } finally {
      await device.dispose();
    }
    return { kind: "drawn" };
  };
  port.onmessage = async ({ data }) => {
    stopped = data.kind === "stop";
    if (data.kind === "stop") return;
    port.postMessage(
      await answer(data).catch((error) => stopped ? { kind: "drawn" } as const : failedBy(error, checkpoint)),
    );
  };
  port.postMessage({ kind: "ready" });
}

/** Describes an error in words; `final` if the checkpoint or user code is at fault. */
function failedBy(error: Error, checkpoint?: StoredCheckpoint): FromWorker {
  const fault = error instanceof SamplerError;
  const message = fault ? describeProblem({ ...error.problem, message: error.message }) : error.message;
  const model = checkpoint?.config.model ?? {};
  const file = error instanceof CompileError && "uses" in model ? `${model.uses}: ` : "";
  const final = (fault && !(error instanceof NonFiniteImages)) || error instanceof FormatError;
  return { kind: "failed", message: file + message, final };
}

/** Wraps files as the artifact that a stage would get. */
function artifactOf(type: InputArtifact["type"], given: DemoData["files"]): InputArtifact {
  const held = Object.fromEntries(Object.entries(given).map(([name, base64]) => [name, bytesOf(base64)]));
  const read = (name: string) => Promise.resolve(held[name]!);
  const files = Object.entries(held).map(([path, { length: size }]) => ({ path, size, sha256: "" }));
  const readText = async (name: string) => new TextDecoder().decode(await read(name));
  return { type, digest: "", files, path: (name) => name, read, readText };
}
