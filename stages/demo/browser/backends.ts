import { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import factory from "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js";
import { MathBackendWebGL } from "@tensorflow/tfjs-backend-webgl";
import * as tf from "@tensorflow/tfjs-core";
import type { Device } from "../../../tensor/device.ts";
import { openEagerDevice } from "../../../tensor/eager_device.ts";
import { BACKEND as WASM, connect, fail, type WasmModule } from "../../../tensor/wasm/engine.ts";
import "../../../tensor/wasm/kernels/register.ts";
import { adapterName, isSoftware, requestAdapter } from "../../../tensor/webgpu/describe.ts";
import { openWebgpuDevice } from "../../../tensor/webgpu/device.ts";
import type { BackendName } from "./protocol.ts";

// Importing the packages registers ways to start them that nobody asked for.
for (const name of [WASM, "webgl"]) tf.removeBackend(name);

/** An engine that runs in this browser. */
export interface Opened {
  /** What it computes on, for people. */
  readonly on: string;
  /** A device for one batch, to be disposed of; the engine stays. */
  readonly device: () => Promise<Device>;
}

export interface OpenOptions {
  /** Also by software, which is slower than WebAssembly. */
  readonly forced: boolean;
  readonly wasm: Uint8Array<ArrayBuffer>;
}

/** Start one of TF.js's backends. @throws Error that says in words what the browser lacks */
export const OPEN: Readonly<Record<BackendName, (options: OpenOptions) => Promise<Opened>>> = {
  async webgpu({ forced }) {
    const adapter = await requestAdapter();
    if ("missing" in adapter) throw new Error(adapter.missing);
    if (isSoftware(adapter.info) && !forced) throw new Error("it is software here");
    // One that stays open keeps the engine, with the shaders that it made.
    await openWebgpuDevice();
    return { on: adapterName(adapter.info), device: () => openWebgpuDevice() };
  },

  async webgl({ forced }) {
    if (forced) tf.env().set("SOFTWARE_WEBGL_ENABLED", true);
    const backend = new MathBackendWebGL();
    const { gl } = (backend as unknown as { readonly gpgpu: { readonly gl: WebGL2RenderingContext } }).gpgpu;
    const told = gl.getExtension("WEBGL_debug_renderer_info");
    const on = String(gl.getParameter(told?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER));
    if (!forced && isSoftware({ description: on } as GPUAdapterInfo)) throw new Error("it is software here");
    if (!tf.env().getBool("WEBGL_RENDER_FLOAT32_ENABLED")) throw new Error("it has no numbers of 32 bits here");
    register("webgl", backend);
    const check = () => {
      if (gl.isContextLost()) throw new Error("the graphics processor was lost");
    };
    return { on, device: () => openOn("webgl", check) };
  },

  async wasm({ wasm }) {
    const complaints: string[] = [];
    // Its types want less than it takes.
    const module = await (factory as unknown as (settings: object) => Promise<WasmModule>)({
      locateFile: (path: string) => path,
      printErr: (line: string) => complaints.push(line),
      wasmBinary: wasm,
    });
    register(WASM, new BackendWasm(connect(module) as unknown as BackendWasm["wasm"]));
    const check = () => {
      if (complaints.length > 0) fail(complaints.join(" "));
    };
    return { on: "the processor", device: () => openOn(WASM, check) };
  },
};

function register(name: string, backend: tf.KernelBackend): void {
  tf.registerBackend(name, () => backend, 0);
  tf.findBackend(name);
}

function openOn(backend: string, check: () => void): Promise<Device> {
  return openEagerDevice({ name: backend, numerics: backend, backend, shared: { check, release: () => {} } });
}
