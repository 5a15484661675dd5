import type { DeviceTrial, TryDevice } from "../../schemas/device.ts";
import { asTried, describeDevices } from "../../science/tensor/implementations.ts";
import type { DeviceDescription } from "../../science/tensor/devices.ts";
import { explainGpuFailure } from "../../science/tensor/tensorflow/describe.ts";
import { nvidiaDriver } from "../../science/tensor/gpus.ts";

const PROGRAM = import.meta.resolve("../../science/tensor/try_out.ts");

/** A card newer than the libraries first has its kernels compiled, once, which takes minutes. */
const TIMEOUT_MS = { card: 15 * 60_000, processor: 60_000 };

/**
 * Returns a trial that shows whether a device computes: a small product must be right to the last digits.
 * @param installation of an engine, to try before it is moved to its place
 */
export function trialOf(
  { name, numerics = name, card = false }: Pick<DeviceDescription, "name" | "numerics" | "card">,
  installation?: { readonly folder: string },
): DeviceTrial {
  return {
    of: [name, numerics.replace(/\/\d+-threads?$/, ""), ...card ? [nvidiaDriver()] : []].join(" "),
    program: PROGRAM,
    args: [name, numerics, ...installation === undefined ? [] : [JSON.stringify(installation)]],
    timeoutMs: TIMEOUT_MS[card ? "card" : "processor"],
    judge: (printed, said) => {
      if (printed.trimEnd().endsWith("right")) return undefined;
      if (name === "tensorflow-gpu") return explainGpuFailure(said);
      const what = said.split("\n").at(-1)!;
      const fix = name === "torch"
        ? "if a library is damaged: deno task setup:torch --force"
        : "run `deno task doctor` to try again, and report its output";
      // A processor that was too busy may have time in the next run; a card already had a quarter of an hour.
      const passing = !card && what.startsWith("it took") ? { passing: true } : {};
      return { reason: `it does not compute: ${what}`, fix, ...passing };
    },
  };
}

/** Describes devices as they are now: results of earlier trials are not used. */
export async function examineDevices(
  tryDevice: TryDevice,
  wanted?: Parameters<typeof describeDevices>[0],
): Promise<DeviceDescription[]> {
  const devices = await describeDevices(wanted);
  const tryAgain = (device: DeviceDescription) => tryDevice(trialOf(device), { again: true });
  return await Promise.all(devices.map((one) => asTried(one, tryAgain)));
}
