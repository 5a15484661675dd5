import { readCheckpoint, type StoredCheckpoint, toldLabels } from "../../../artifacts/checkpoint.ts";
import type { InputArtifact, OwnDefinition } from "../../../contract/stage.ts";
import { learnsVariance } from "../../../diffusion/network.ts";
import { samplerParams } from "../../../diffusion/samplers.ts";
import { mix } from "../../../diffusion/samplers/mix.ts";
import { FormatError } from "../../../formats/format_error.ts";
import { firstNotFinite } from "../../../metrics/vectors.ts";
import { isOwn } from "../../../schemas/definitions.ts";
import type { Device } from "../../../tensor/device.ts";
import { randomStream } from "../../../tensor/random/stream.ts";
import { makeDrawer as makeInpainter } from "../../inpaint/drawer.ts";
import { labelsOf, makeDrawer as makeSampler } from "../../sample/drawer.ts";
import { describeProblem, isError } from "../../shared/checks.ts";
import type { BatchDrawer } from "../../shared/draw/draw_images.ts";
import { checkSampler, chooseSampler, type SamplerParam } from "../../shared/draw/sampler.ts";
import { makeWalk, SamplerFault, startDeviation, type Walk } from "../../shared/draw/walk.ts";
import { unitToBytes } from "../../shared/feeds.ts";
import { yieldToMessages } from "../../shared/macrotask.ts";
import { OPEN, type Opened } from "./backends.ts";
import type { Embedded, Frame, FromWorker, Model, Port, Task, ToWorker } from "./protocol.ts";

type Batch = Extract<ToWorker, { kind: "draw" }>;

/** Draw what the page asks for, one batch at a time. @param definitions those of the user's own that the page was made with */
export function serve(port: Port<FromWorker, ToWorker>, definitions: readonly OwnDefinition[]): void {
  let opened: { readonly engine: Opened; readonly checkpoint: StoredCheckpoint } | undefined;
  let stopped = false;
  const answer = async (message: ToWorker): Promise<FromWorker | undefined> => {
    if (message.kind === "stop") {
      stopped = true;
      return undefined;
    }
    if (message.kind === "open") {
      const { backend, embedded, ...options } = message;
      const checkpoint = await readCheckpoint(artifactOf(embedded), embedded.weights, definitions);
      opened = { checkpoint, engine: await OPEN[backend]({ ...options, wasm: embedded.wasm }) };
      return { kind: "opened", on: opened.engine.on, model: modelOf(checkpoint, embedded.sampler, definitions) };
    }
    stopped = false;
    const { engine, checkpoint } = opened!;
    const device = await engine.device();
    try {
      await draw(message, { device, checkpoint, definitions }, {
        see: (frame) => port.postMessage({ kind: "frame", frame }),
        async onStep() {
          await yieldToMessages();
          if (stopped) throw new Error("The page said stop");
        },
      });
    } finally {
      await device.dispose();
    }
    return { kind: "drawn" };
  };
  port.onmessage = async ({ data }) => {
    const said = await answer(data).catch((error) => stopped ? { kind: "stopped" } as const : failedBy(error));
    if (said !== undefined) port.postMessage(said);
  };
  port.postMessage({ kind: "ready" });
}

/** What went wrong, in words; `final` where the checkpoint or code of the user's own is at fault. */
function failedBy(error: unknown): FromWorker {
  if (error instanceof SamplerFault) {
    return { kind: "failed", message: describeProblem({ ...error.problem, message: error.message }), final: true };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { kind: "failed", message, final: error instanceof FormatError };
}

/** The files of a checkpoint, as a stage is given them. */
function artifactOf({ files }: Embedded): InputArtifact {
  const read = (name: string) => Promise.resolve(files[name]!);
  return {
    type: "checkpoint",
    digest: "",
    files: Object.entries(files).map(([path, { length: size }]) => ({ path, size, sha256: "" })),
    path: (name) => name,
    read,
    readText: async (name) => new TextDecoder().decode(await read(name)),
  };
}

function modelOf(
  { config, network, path }: StoredCheckpoint,
  given: SamplerParam,
  definitions: readonly OwnDefinition[],
): Model {
  const { timesteps } = path;
  const learnedVariance = learnsVariance(network.sizes);
  const known = {
    timesteps,
    learnedVariance,
    variancePreserving: path.tables !== undefined,
    ownSampler: config.ownSampler,
  };
  const variance = learnedVariance ? "learned" : "fixedsmall";
  const usual: SamplerParam[] = [
    { name: "ddim", steps: 20 },
    { name: "dpmpp-2m", steps: 15 },
    { name: "heun", steps: 10 },
    { name: "ancestral", steps: Math.min(100, timesteps), variance },
  ].map((param) => samplerParams.parse(param));
  const name = (param: SamplerParam) => isOwn(param) ? param.uses : param.name;
  const fits = (param: SamplerParam) =>
    !checkSampler(param, known, isOwn(param) ? chooseSampler(param, definitions).definition : {}).some(isError);
  return {
    images: config.images,
    classes: toldLabels(config).classes,
    timesteps,
    samplers: [given, ...usual.filter((param) => name(param) !== name(given) && fits(param))],
  };
}

interface Canvas {
  readonly device: Device;
  readonly checkpoint: StoredCheckpoint;
  readonly definitions: readonly OwnDefinition[];
}

interface Watcher {
  readonly see: (frame: Frame) => void;
  /** Awaited after each evaluation of the network. */
  readonly onStep: () => Promise<void>;
}

async function draw({ task, first, count }: Batch, { device, checkpoint, definitions }: Canvas, watcher: Watcher) {
  const { guidance, inpaint } = task;
  const sampler = chooseSampler(task.sampler, definitions);
  const walk = await makeWalk(checkpoint, { device, batchSize: count, guidance, sampler });
  const bytes = (images: Float32Array) => {
    const out = new Uint8Array(images.length);
    unitToBytes(images, out);
    return out;
  };
  const drawer = drawerOf({ task, count }, checkpoint, walk);
  const { steps: total } = drawer;
  const { images } = await drawer.draw(first, watcher.onStep, (done, { x, x0 }, ended) => {
    if (!ended) watcher.see({ done, total, x: bytes(x), x0: bytes(x0) });
  });
  if (firstNotFinite(images) >= 0) throw new Error("a pixel is no number: the weights are broken, or the backend is");
  const last = bytes(images);
  // As in the stage, what is kept is kept to the bit.
  if (inpaint !== undefined) {
    const { image, kept } = inpaint;
    for (let i = 0; i < last.length; i++) if (kept[i % kept.length] === 1) last[i] = image[i % image.length]!;
  }
  watcher.see({ done: total, total, x: last, x0: last });
}

function drawerOf(
  { task, count }: { task: Task; count: number },
  checkpoint: StoredCheckpoint,
  walk: Walk,
): BatchDrawer {
  const { seed, labels, inpaint, between } = task;
  const params = { batchSize: count, labels };
  if (between !== undefined) return makeBetween({ params, seed, between }, checkpoint, walk);
  if (inpaint === undefined) return makeSampler({ params, seed }, checkpoint, walk);
  const { image: pixels, kept, repeats } = inpaint;
  const images = { count: 1, pixels, labels: typeof labels === "string" ? undefined : Uint8Array.from(labels) };
  return makeInpainter({ params: { ...params, repeats }, seed }, checkpoint, { walk, images, kept });
}

/**
 * Images on the way from the noise of one seed to that of another, on a circle: the squares of the shares add up to 1, so
 * that each point is noise as well. The noise of later steps is the same for all.
 */
function makeBetween(
  { params: { batchSize, labels }, seed, between: { seed: other, image, points } }: {
    readonly params: { readonly batchSize: number; readonly labels: Task["labels"] };
    readonly seed: number;
    readonly between: NonNullable<Task["between"]>;
  },
  { path, config }: StoredCheckpoint,
  { times, steps, pixels, begin }: Walk,
): BatchDrawer {
  const initial = (of: number) => randomStream({ seed: of, stream: "sample/initial" }).normal(image, pixels);
  const fresh = randomStream({ seed, stream: "sample/step" });
  const deviation = startDeviation(path, times[0]!);
  const label = labelsOf({ labels }, toldLabels(config))(image);
  const all = (one: (i: number) => Float32Array) => {
    const numbers = new Float32Array(batchSize * pixels);
    for (let i = 0; i < batchSize; i++) numbers.set(one(i), i * pixels);
    return numbers;
  };
  return {
    steps,
    async draw(first, onStep, see) {
      const images = await begin({ labels: new Array(batchSize).fill(label), onStep, see })({
        x: all((i) => {
          const angle = Math.PI / 2 * (first + i) / (points - 1);
          return mix([deviation * Math.cos(angle), initial(seed)], [deviation * Math.sin(angle), initial(other)]);
        }),
        times,
        noise: (k) => all(() => fresh.normal(k, pixels, { offset: image * pixels })),
      });
      return { images };
    },
  };
}
