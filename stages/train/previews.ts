import { gridPng, imageAt } from "../../artifacts/images.ts";
import type { ContextOf } from "../../contract/stage.ts";
import { mix } from "../../diffusion/samplers/mix.ts";
import { firstNotFinite } from "../../metrics/vectors.ts";
import type { CompiledFunction, Device } from "../../tensor/device.ts";
import { randomStream } from "../../tensor/mod.ts";
import { describeProblem } from "../shared/checks.ts";
import type { DrawnNetwork } from "../shared/draw/predictor.ts";
import { chooseSampler } from "../shared/draw/sampler.ts";
import { makeWalk, SamplerFault, startDeviation } from "../shared/draw/walk.ts";
import { unitToBytes } from "../shared/feeds.ts";
import { yieldToMessages } from "../shared/macrotask.ts";
import type { trainKind } from "./kind.ts";

type Context = ContextOf<typeof trainKind>;

/**
 * Previews of a training, which they change by nothing: they have random streams and compiled functions of their own. All
 * begin with the same noise, so that they show the same images getting better.
 *
 * @param learned what the weights belong to
 * @returns what shows the weights after a step, where it is one of those with a preview. What goes wrong is a warning
 */
export function startPreviews(context: Context, device: Device, learned: Omit<DrawnNetwork, "params">) {
  const { params: { preview: wanted, steps }, stop } = context;
  const began = performance.now();
  const secondsSince = (start: number) => (performance.now() - start) / 1000;
  let [count, seconds, hasWarned] = [0, 0, false];
  return async (step: number, weights: () => Promise<Float32Array<ArrayBuffer>>): Promise<void> => {
    if (wanted === undefined || step === 0 || (step % wanted.every !== 0 && step !== steps)) return;
    const start = performance.now();
    const drawn = await draw(context, wanted, device, { ...learned, params: await weights() }).catch(reasonOf);
    const took = secondsSince(start);
    seconds += took;
    if (typeof drawn !== "string") {
      context.preview({ step, png: drawn, seconds: took });
      count++;
    } else if (!stop.aborted && !hasWarned) {
      context.warn(`no preview of step ${step}: ${drawn}`);
      hasWarned = true;
    }
    if (step < steps) return;
    context.note(`${count} previews took ${seconds.toFixed(1)} s of ${secondsSince(began).toFixed(1)} s`);
  };
}

/** Nothing that a drawing does ends a training. */
function reasonOf(error: unknown): string {
  return error instanceof SamplerFault ? describeProblem({ ...error.problem, message: error.message }) : `${error}`;
}

/**
 * Image i is drawn from the same noise at any count, of labels in turn.
 *
 * @returns a PNG, or why there is none
 */
async function draw(
  { seed, definitions, stop }: Context,
  { count, sampler }: NonNullable<Context["params"]["preview"]>,
  device: Device,
  learned: DrawnNetwork,
): Promise<Uint8Array | string> {
  const { path, network: { sizes } } = learned;
  const made: CompiledFunction[] = [];
  const compile: Device["compile"] = async (...args) => {
    made.push(await device.compile(...args));
    return made.at(-1)!;
  };
  try {
    const options = { sampler: chooseSampler(sampler, definitions), device: { ...device, compile }, batchSize: count };
    const { times, pixels, begin } = await makeWalk(learned, options);
    const [initial, fresh] = ["initial", "step"].map((name) => randomStream({ seed, stream: `preview/${name}` }));
    const all = () => new Float32Array(count * pixels);
    const noise = all();
    for (let i = 0; i < count; i++) initial!.normal(i, noise.subarray(i * pixels, (i + 1) * pixels));
    const walk = begin({
      labels: Array.from({ length: count }, (_, i) => i % (sizes.classes ?? 1)),
      async onStep() {
        await yieldToMessages();
        stop.throwIfAborted();
      },
    });
    const x = mix([startDeviation(path, times[0]!), noise]);
    const images = await walk({ x, times, noise: (k) => fresh!.normal(k, all()) });
    const bad = firstNotFinite(images);
    if (bad >= 0) return `image ${Math.floor(bad / pixels)} has a pixel that is ${images[bad]}`;
    const bytes = new Uint8Array(images.length);
    unitToBytes(images, bytes);
    const png = gridPng(Array.from({ length: count }, (_, i) => imageAt(bytes, i, sizes)), sizes);
    return png ?? `no PNG has ${sizes.channels} channels`;
  } finally {
    for (const one of made) await one.dispose();
  }
}
