import type { StageContext } from "../../engine/contract/stage.ts";
import type { CompiledFunction, Device } from "../../science/tensor/device.ts";

type PreviewContext = Pick<StageContext, "stop" | "preview" | "warn" | "note"> & {
  readonly params: { readonly preview?: { readonly every: number } | undefined; readonly steps: number };
};

/**
 * Starts the previews of a training, which must not affect the training. What one compiles is disposed with it.
 *
 * @param draw makes the PNG of a preview @param reasonOf describes an error of `draw`
 * @returns a function that makes a preview after a step, if that step has one. A failure is only a warning
 */
export function startPreviews(
  { params: { preview: wanted, steps }, stop, ...context }: PreviewContext,
  device: Device,
  draw: (device: Device) => Promise<Uint8Array>,
  reasonOf: (error: unknown) => string = String,
): (step: number) => Promise<void> {
  const began = performance.now();
  const secondsSince = (start: number) => (performance.now() - start) / 1000;
  let [count, seconds, hasWarned] = [0, 0, false];
  return async (step) => {
    if (wanted === undefined || step === 0 || (step % wanted.every !== 0 && step !== steps)) return;
    const start = performance.now();
    const made: CompiledFunction[] = [];
    const compile: Device["compile"] = async (...args) => {
      made.push(await device.compile(...args));
      return made.at(-1)!;
    };
    const drawn = await draw({ ...device, compile }).catch(reasonOf);
    for (const one of made) await one.dispose();
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
    const noun = count === 1 ? "preview" : "previews";
    context.note(`${count} ${noun} took ${seconds.toFixed(1)} s of ${secondsSince(began).toFixed(1)} s`);
  };
}
