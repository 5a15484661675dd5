import type { DeviceDescription } from "../devices.ts";

/** The version of @tensorflow/tfjs-backend-webgpu in use; a test compares it, so that asking for it loads nothing. */
export const TFJS_WEBGPU_VERSION = "4.22.0";

/** The name under which the package registers its kernels. */
export const BACKEND = "webgpu";

/** Names under which Vulkan and OpenGL drivers run shaders on the processor. */
const SOFTWARE_NAMES = /llvmpipe|lavapipe|softpipe|swiftshader|basic render|software/i;

/** What to do where there is no adapter. */
export const ADAPTER_FIX = "install the GPU's driver with its Vulkan part";

/**
 * The adapter that TF.js would ask for, or why there is none.
 * @param place what may have no WebGPU, for people
 */
export async function requestAdapter(place = "this runtime"): Promise<GPUAdapter | { readonly missing: string }> {
  // Browsers and runtimes without WebGPU lack the property, whatever the types say.
  const gpu: GPU | undefined = navigator.gpu;
  if (gpu === undefined) return { missing: `${place} has no WebGPU` };
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  return adapter ?? { missing: "no GPU driver that WebGPU can use; on Linux it needs Vulkan" };
}

/** Deno leaves the architecture empty and gives numbers of the PCI registry as vendor. */
export function isSoftware(info: GPUAdapterInfo): boolean {
  return info.isFallbackAdapter || SOFTWARE_NAMES.test(`${info.description} ${info.device}`);
}

/** How the adapter is called, for people. */
export function adapterName({ description, vendor, device }: GPUAdapterInfo): string {
  return description || `adapter ${vendor} ${device}`;
}

/**
 * What decides the rounding of results: the backend's version and the model of the processor, with the compiler of its
 * driver where the driver tells.
 */
export function webgpuNumerics(info: GPUAdapterInfo): string {
  const model = info.architecture || info.description || info.device;
  return `webgpu/${TFJS_WEBGPU_VERSION}/${[info.vendor, model].map(slug).join("-")}`;
}

function slug(text: string): string {
  return text.toLowerCase().replaceAll(/[^a-z0-9.]+/g, "-").replaceAll(/^-+|-+$/g, "");
}

/** What device `webgpu` is on this machine. It asks for an adapter, which loads the driver, but no TF.js. */
export async function describeWebgpu(): Promise<DeviceDescription> {
  const adapter = await requestAdapter();
  if ("missing" in adapter) {
    const reason = adapter.missing;
    return { name: "webgpu", available: false, reason, fix: ADAPTER_FIX, numerics: undefined };
  }
  const software = isSoftware(adapter.info);
  const what = software ? "software on the CPU" : "WebGPU";
  return {
    name: "webgpu",
    available: true,
    reason: `TF.js on ${adapterName(adapter.info)}, ${what}`,
    numerics: webgpuNumerics(adapter.info),
    card: !software,
  };
}
