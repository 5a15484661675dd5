import type { Device, HostArray, HostTensors, PureFunction, Signature } from "../../science/tensor/device.ts";
import { runEagerly } from "./tensors.ts";

/** Returns a device that runs functions unchanged on TF.js's `cpu` backend, and records the batch sizes. */
export function tfjsDevice() {
  const batches: number[] = [];
  const compile = (fn: PureFunction, inputs: Signature) =>
    Promise.resolve({
      bind: (held: HostTensors) =>
        Promise.resolve({
          async run(feeds: HostTensors, into: HostTensors = {}) {
            batches.push(inputs["x"]!.shape[0]!);
            const outputs = await runEagerly(fn, inputs, { ...held, ...feeds });
            for (const [name, array] of Object.entries(into)) array.set(outputs[name] as HostArray);
            return { ...outputs, ...into };
          },
        }),
    });
  return { device: { name: "tfjs", numerics: "tfjs", compile } as unknown as Device, batches };
}
