import { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import factory from "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js";
import { MathBackendWebGL } from "@tensorflow/tfjs-backend-webgl";
import * as tf from "@tensorflow/tfjs-core";
import type { Device } from "../../../science/tensor/device.ts";
import { openEagerDevice } from "../../../science/tensor/eager_device.ts";
import { connect, fail, type WasmModule } from "../../../science/tensor/wasm/engine.ts";
import "../../../science/tensor/wasm/kernels/register.ts";
import { adapterName, isSoftware, requestAdapter } from "../../../science/tensor/webgpu/describe.ts";
import { openWebgpuDevice } from "../../../science/tensor/webgpu/device.ts";
import { type BackendName, bytesOf } from "./protocol.ts";

// Importing the packages registers backends that would start in another way.
for (const name of ["wasm", "webgl"]) tf.removeBackend(name);

/** An engine that runs in this browser: `on`, what it computes on, for people, and a device for one batch. */
export interface Opened {
  readonly on: string;
  readonly device: () => Promise<Device>;
}

/**
 * Starts one of TF.js's backends.
 * @param forced true to accept a software renderer as well, which is slower than WebAssembly @param wasm that of
 * `DemoData`
 * @throws Error that says in words what the browser lacks
 */
export const OPEN: Readonly<Record<BackendName, (forced: boolean, wasm: string) => Promise<Opened>>> = {
  async webgpu(forced) {
    const adapter = await requestAdapter("this browser");
    if ("missing" in adapter) throw new Error(adapter.missing);
    if (isSoftware(adapter.info) && !forced) throw new Error("it would run in software");
    // A device that stays open keeps the engine alive, with its compiled shaders.
    await openWebgpuDevice();
    return { on: adapterName(adapter.info), device: () => openWebgpuDevice() };
  },
  async webgl(forced) {
    if (forced) tf.env().set("SOFTWARE_WEBGL_ENABLED", true);
    const backend = new MathBackendWebGL();
    const { gl } = (backend as unknown as { readonly gpgpu: { readonly gl: WebGL2RenderingContext } }).gpgpu;
    const told = gl.getExtension("WEBGL_debug_renderer_info");
    const on = String(gl.getParameter(told?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER));
    if (isSoftware({ description: on } as GPUAdapterInfo) && !forced) throw new Error("it would run in software");
    if (!tf.env().getBool("WEBGL_RENDER_FLOAT32_ENABLED")) throw new Error("it does not support float32 here");
    return opened("webgl", on, backend, () => {
      if (gl.isContextLost()) throw new Error("the graphics processor was lost");
    });
  },
  async wasm(_, wasm) {
    const wasmBinary = bytesOf(wasm);
    const complaints: string[] = [];
    const printErr = (line: string) => complaints.push(line);
    // The package's type does not declare these settings, which the function accepts.
    const module = await (factory as unknown as (settings: object) => Promise<WasmModule>)({ wasmBinary, printErr });
    return opened("wasm", "your CPU", new BackendWasm(connect(module) as unknown as BackendWasm["wasm"]), () => {
      if (complaints.length > 0) fail(complaints.join(" "));
    });
  },
};

function opened(name: string, on: string, backend: tf.KernelBackend, check: () => void): Opened {
  tf.registerBackend(name, () => backend, 0);
  tf.findBackend(name);
  const shared = { check, release: () => {} };
  return { on, device: () => openEagerDevice({ name, numerics: name, backend: name, shared }) };
}
