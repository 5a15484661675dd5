import type { Device, DeviceOptions } from "../device.ts";
import { openEagerDevice } from "../eager/device.ts";
import { acquireBackend, BACKEND, releaseBackend } from "./backend.ts";
import { MAX_THREADS, wasmNumerics } from "./describe.ts";

export interface WasmDevice extends Device {
  readonly threads: number;
  /** Why it has fewer threads than it was asked for; undefined when it does not. */
  readonly fallback: string | undefined;
}

/**
 * TF.js's WebAssembly backend, which runs wherever Deno does, with kernels of our own where its are missing or slow. It
 * needs the permissions of `wasmGrants()`. Dispose of it: its threads keep the process alive.
 *
 * Results do not depend on the number of threads, nor on the processor.
 *
 * @param options.threads default: all logical cores, at most 8. More are cut to 8; when threads cannot be started, the
 *     device has one.
 * @throws Error when the number of threads is none, WebAssembly lacks SIMD, or a device with another number is open.
 */
export async function openWasmDevice(options: DeviceOptions = {}): Promise<WasmDevice> {
  const wanted = options.threads ?? Math.min(navigator.hardwareConcurrency, MAX_THREADS);
  if (!Number.isInteger(wanted) || wanted < 1) {
    throw new RangeError(`Cannot open device "wasm": threads must be a positive integer: got ${wanted}`);
  }
  const numerics = options.numerics ?? wasmNumerics();
  const { threads, fallback, check } = await acquireBackend(wanted);
  const shared = { check, release: releaseBackend };
  return { ...await openEagerDevice({ name: "wasm", numerics, backend: BACKEND, shared }), threads, fallback };
}
