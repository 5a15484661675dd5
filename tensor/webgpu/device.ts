import type { Device, DeviceOptions } from "../device.ts";
import { openEagerDevice } from "../eager/device.ts";
import { BACKEND_ENGINE } from "./backend.ts";
import { BACKEND } from "./describe.ts";

/**
 * TF.js's WebGPU backend on the machine's graphics processor, or on software: whoever names this device takes what
 * there is, and `auto` passes software over. A process needs no permission for it.
 *
 * @throws Error when there is no adapter, or when the driver fails, then from `run`.
 */
export async function openWebgpuDevice(options: DeviceOptions = {}): Promise<Device> {
  const { numerics, check } = await BACKEND_ENGINE.acquire();
  return await openEagerDevice({
    name: "webgpu",
    numerics: options.numerics ?? numerics,
    backend: BACKEND,
    shared: { check, release: () => BACKEND_ENGINE.release() },
  });
}
