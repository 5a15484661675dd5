import * as tf from "@tensorflow/tfjs-core";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { Device, DeviceOptions } from "../device.ts";
import { openEagerDevice, ProcessEngine } from "../eager_device.ts";
import { ADAPTER_FIX, BACKEND, requestAdapter, webgpuNumerics } from "./describe.ts";
import "./kernels/register.ts";

// Importing the package registers a backend on any adapter, software too, which TF.js would prefer over all others.
// Without WebGPU it registers none.
if (tf.findBackendFactory(BACKEND) !== null) tf.removeBackend(BACKEND);

/**
 * Opens TF.js's WebGPU backend on the machine's graphics processor, or on software: a user who names this device gets
 * any adapter there is, while `auto` skips software. A process needs no permission for it.
 *
 * @throws Error when there is no adapter, or when the driver fails, then from `run`.
 */
export async function openWebgpuDevice(options: DeviceOptions = {}): Promise<Device> {
  const { numerics, check } = await engine.acquire();
  return await openEagerDevice({
    name: "webgpu",
    numerics: options.numerics ?? numerics,
    backend: BACKEND,
    shared: { check, release: () => engine.release() },
  });
}

/** TF.js's backend `webgpu`, not selected. TF.js finds a backend by its name, so all open devices share one. */
const engine = new ProcessEngine(start, (started) => {
  tf.removeBackend(BACKEND);
  started.close();
});

/** Starts TF.js's backend on one adapter. @throws Error when there is no adapter. */
async function start() {
  const adapter = await requestAdapter();
  if ("missing" in adapter) {
    throw new Error(`Cannot open device "webgpu": ${adapter.missing}. Fix: ${ADAPTER_FIX}, or use another device.`);
  }
  const requiredLimits = Object.fromEntries(LARGE.map((name) => [name, adapter.limits[name]]));
  const device = await adapter.requestDevice({ requiredLimits });
  let failure: string | undefined;
  let open = true;
  device.addEventListener("uncapturederror", (event) => {
    failure ??= (event as GPUUncapturedErrorEvent).error.message.trim();
  });
  device.lost.then(({ message }) => {
    if (open) failure ??= `the GPU was lost: ${message}`;
  });
  const backend = new WebGPUBackend(device, adapter.info);
  // Lowest priority: TF.js must not choose this backend unless it is asked for.
  tf.registerBackend(BACKEND, () => backend, 0);
  tf.findBackend(BACKEND);
  return {
    numerics: webgpuNumerics(adapter.info),
    /** @throws Error when the graphics driver has reported a failure, or the device is lost. */
    check() {
      // Results after a failure are leftover memory.
      if (failure !== undefined) throw new Error(`Device "webgpu" failed: ${failure}`);
    },
    close() {
      open = false;
      device.destroy();
    },
  };
}

/** Limits that TF.js requests: buffers and workgroups as large as the adapter supports. */
const LARGE = [
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupSizeX",
  "maxComputeInvocationsPerWorkgroup",
] as const;
