import * as tf from "@tensorflow/tfjs-core";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { ADAPTER_FIX, requestAdapter, webgpuNumerics } from "./adapter.ts";
import { registerKernels } from "./kernels/register.ts";
import { BACKEND } from "./package.ts";

// Importing the package registers a backend on any adapter, software too, which TF.js would prefer over all others.
tf.removeBackend(BACKEND);

/** TF.js's backend on one adapter. */
export interface WebgpuState {
  readonly numerics: string;
  /** @throws Error when the graphics driver has reported a failure, or the device is lost. */
  check(): void;
}

interface Started extends WebgpuState {
  close(): void;
}

interface Shared {
  readonly started: Promise<Started>;
  users: number;
}

/** TF.js knows a backend by its name, so there is one for all devices that are open. */
let shared: Shared | undefined;

/**
 * Make TF.js's backend `webgpu`, without selecting it. Devices that are open at the same time share it; each must let go
 * of it once.
 *
 * @throws Error when there is no adapter.
 */
export async function acquireBackend(): Promise<WebgpuState> {
  shared ??= { started: start(), users: 0 };
  const mine = shared;
  mine.users++;
  try {
    return await mine.started;
  } catch (error) {
    await release(mine);
    throw error;
  }
}

/** Let go of the backend; the last one to do so frees what it holds on the graphics processor. */
export async function releaseBackend(): Promise<void> {
  if (shared !== undefined) await release(shared);
}

async function release(state: Shared): Promise<void> {
  if (--state.users > 0) return;
  if (shared === state) shared = undefined;
  const started = await state.started.catch(() => undefined);
  if (started === undefined) return;
  tf.removeBackend(BACKEND);
  started.close();
}

async function start(): Promise<Started> {
  const adapter = await requestAdapter();
  if ("missing" in adapter) {
    throw new Error(`Cannot open device "webgpu": ${adapter.missing}. Fix: ${ADAPTER_FIX}, or use another device.`);
  }
  const device = await adapter.requestDevice(deviceDescriptor(adapter));
  let failure: string | undefined;
  let open = true;
  device.addEventListener("uncapturederror", (event) => {
    failure ??= (event as GPUUncapturedErrorEvent).error.message.trim();
  });
  device.lost.then(({ message }) => {
    if (open) failure ??= `the graphics processor was lost: ${message}`;
  });
  registerKernels(BACKEND);
  const backend = new WebGPUBackend(device, adapter.info);
  // Lowest priority: TF.js must not choose it for whoever does not ask for it.
  tf.registerBackend(BACKEND, () => backend, 0);
  tf.findBackend(BACKEND);
  return {
    numerics: webgpuNumerics(adapter.info),
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
function deviceDescriptor({ limits }: GPUAdapter): GPUDeviceDescriptor {
  return {
    requiredLimits: {
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxBufferSize: limits.maxBufferSize,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
    },
  };
}
