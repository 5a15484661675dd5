import type { DeviceDescription } from "../devices.ts";

/**
 * The version of @tensorflow/tfjs-backend-webgpu in use. A constant, so that nothing need be loaded to know it; a test
 * compares it.
 */
export const TFJS_WEBGPU_VERSION = "4.22.0";

/** The name under which the package registers its kernels. */
export const BACKEND = "webgpu";

/** Names under which Vulkan and OpenGL drivers run shaders on the processor. */
const SOFTWARE_NAMES = /llvmpipe|lavapipe|softpipe|swiftshader|basic render|software/i;

/** Advice for a machine without an adapter. */
export const ADAPTER_FIX = "install the GPU's driver with its Vulkan part";

/**
 * Returns the adapter that TF.js would request, or why there is none.
 * @param place where WebGPU may be missing, for messages
 */
export async function requestAdapter(place = "this runtime"): Promise<GPUAdapter | { readonly missing: string }> {
  // Browsers and runtimes without WebGPU lack the property, whatever the types say.
  const gpu: GPU | undefined = navigator.gpu;
  if (gpu === undefined) return { missing: `${place} has no WebGPU` };
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  return adapter ?? { missing: "no GPU driver that WebGPU can use; on Linux it needs Vulkan" };
}

/**
 * True for an adapter that is software. Deno leaves the architecture empty and gives numbers of the PCI registry as
 * vendor.
 */
export function isSoftware(info: GPUAdapterInfo): boolean {
  return info.isFallbackAdapter || SOFTWARE_NAMES.test(`${info.description} ${info.device}`);
}

/** Returns the adapter's name for people. */
export function adapterName({ description, vendor, device }: GPUAdapterInfo): string {
  return description || `adapter ${vendor} ${device}`;
}

/**
 * Returns the numerics: the backend's version and the model of the graphics processor, with the compiler of its driver
 * if the driver reports it.
 */
export function webgpuNumerics(info: GPUAdapterInfo): string {
  const model = info.architecture || info.description || info.device;
  return `webgpu/${TFJS_WEBGPU_VERSION}/${[info.vendor, model].map(slug).join("-")}`;
}

function slug(text: string): string {
  return text.toLowerCase().replaceAll(/[^a-z0-9.]+/g, "-").replaceAll(/^-+|-+$/g, "");
}

/** Describes device `webgpu` on this machine. It requests an adapter, which loads the driver, but not TF.js. */
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
