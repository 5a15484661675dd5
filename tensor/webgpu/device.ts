import type { Device, DeviceOptions } from "../device.ts";
import { checkedDevice } from "../eager/checked.ts";
import { openEagerDevice } from "../eager/device.ts";
import { acquireBackend, releaseBackend } from "./backend.ts";
import { BACKEND } from "./package.ts";

export interface WebgpuDeviceOptions extends DeviceOptions {
  /** Take an adapter that is software, too: for tests. */
  readonly software?: boolean;
}

/**
 * TF.js's WebGPU backend on the machine's graphics processor. A process needs no permission for it.
 *
 * @throws Error when there is no adapter, or only a software one, or when the driver fails, then from `run`.
 */
export async function openWebgpuDevice(options: WebgpuDeviceOptions = {}): Promise<Device> {
  const { numerics, check } = await acquireBackend(options.software ?? false);
  const eager = await openEagerDevice({ name: "webgpu", numerics: options.numerics ?? numerics, backend: BACKEND });
  const device = checkedDevice(eager, check);
  let open = true;
  return {
    ...device,
    async dispose() {
      await device.dispose();
      if (open) await releaseBackend();
      open = false;
    },
  };
}
