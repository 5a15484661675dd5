import type { DeviceTrial, TryDevice } from "../../contract/stage.ts";
import { asTried } from "../../tensor/choose.ts";
import type { DeviceDescription } from "../../tensor/devices.ts";
import { describeDevices } from "../../tensor/implementations.ts";
import { explainGpuFailure } from "../../tensor/tensorflow/describe.ts";
import { nvidiaDriver } from "../../tensor/gpus.ts";
import type { Installation } from "../../tensor/tensorflow/installation.ts";

const PROGRAM = import.meta.resolve("../../tensor/try_out.ts");

/** A card that is newer than the libraries has its kernels compiled first, once, which takes minutes. */
const TIMEOUT_MS = { card: 15 * 60_000, processor: 60_000 };

/**
 * How a device shows that it computes: a small product, right to the last digits.
 * @param installation of TensorFlow that is to be tried before it is in its place
 */
export function trialOf(
  { name, numerics = name, card = false }: Pick<DeviceDescription, "name" | "numerics" | "card">,
  installation?: Installation,
): DeviceTrial {
  return {
    of: [name, numerics.replace(/\/\d+-threads?$/, ""), ...card ? [nvidiaDriver()] : []].join(" "),
    program: PROGRAM,
    args: [name, numerics, ...installation === undefined ? [] : [JSON.stringify(installation)]],
    timeoutMs: TIMEOUT_MS[card ? "card" : "processor"],
    judge: (printed, said) => {
      if (printed.trimEnd().endsWith("right")) return undefined;
      if (name === "tensorflow-gpu") return explainGpuFailure(said);
      const what = said.split("\n").at(-1) || "its process ended without a message";
      const fix = "run `deno task doctor` to try again, and report its output";
      // A processor that had too much else to do may have time in the next run; a card had a quarter of an hour.
      const passing = !card && what.startsWith("it took") ? { passing: true } : {};
      return { reason: `it does not compute: ${what}`, fix, ...passing };
    },
  };
}

/** Devices as they are now: whoever asks does not want to know what came of trying them before. */
export async function examineDevices(
  tryDevice: TryDevice,
  wanted?: readonly string[],
): Promise<DeviceDescription[]> {
  const devices = await describeDevices(wanted);
  const tryAgain = (device: DeviceDescription) => tryDevice(trialOf(device), { again: true });
  return await Promise.all(devices.map((one) => asTried(one, tryAgain)));
}
