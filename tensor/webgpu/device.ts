import * as tf from "@tensorflow/tfjs-core";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { Device, DeviceOptions } from "../device.ts";
import { openEagerDevice } from "../eager_device.ts";
import { ProcessEngine } from "../process_engine.ts";
import { ADAPTER_FIX, BACKEND, requestAdapter, webgpuNumerics } from "./describe.ts";
import "./kernels/register.ts";

// Importing the package registers a backend on any adapter, software too, which TF.js would prefer over all others; none
// where there is no WebGPU.
if (tf.findBackendFactory(BACKEND) !== null) tf.removeBackend(BACKEND);

/**
 * TF.js's WebGPU backend on the machine's graphics processor, or on software: whoever names this device takes what
 * there is, and `auto` passes software over. A process needs no permission for it.
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

/** TF.js's backend `webgpu`, not selected. TF.js knows a backend by its name, so there is one for all open devices. */
const engine = new ProcessEngine(start, (started) => {
  tf.removeBackend(BACKEND);
  started.close();
});

/** TF.js's backend on one adapter. @throws Error when there is no adapter. */
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
  // Lowest priority: TF.js must not choose it for whoever does not ask for it.
  tf.registerBackend(BACKEND, () => backend, 0);
  tf.findBackend(BACKEND);
  return {
    numerics: webgpuNumerics(adapter.info),
    /** @throws Error when the graphics driver has reported a failure, or the device is lost. */
    check() {
      // Results after a failure are what was in memory before.
      if (failure !== undefined) throw new Error(`Device "webgpu" failed: ${failure}`);
    },
    close() {
      open = false;
      device.destroy();
    },
  };
}

/** What TF.js asks for: buffers and workgroups as large as the adapter has them. */
const LARGE = [
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupSizeX",
  "maxComputeInvocationsPerWorkgroup",
] as const;
