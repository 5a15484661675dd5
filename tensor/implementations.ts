import process from "node:process";
import type { Device, DeviceOptions } from "./device.ts";
import { AUTO_ORDER, type ConcreteDeviceName, type DeviceDescription, type DeviceGrants } from "./devices.ts";

/** The options of a device that affect its description. */
export type DescribeOptions = Pick<DeviceOptions, "threads">;

interface Implementation {
  /** Describes the device on this machine, or why it is not available. Opens nothing. */
  describe(options: DescribeOptions): Promise<DeviceDescription>;
  /**
   * Returns the permissions and variables that the device needs in a process with few permissions. The device's
   * packages must be installed.
   */
  grants(): Promise<DeviceGrants>;
  open(options: DeviceOptions): Promise<Device>;
}

/** The implementation of each device. Its modules are loaded only when needed: most commands never need them. */
export const IMPLEMENTATIONS: Readonly<Record<ConcreteDeviceName, Implementation>> = {
  onnx: {
    describe: async ({ threads }) => (await import("./onnx/describe.ts")).describeOnnx(threads),
    grants: async () => (await import("./onnx/describe.ts")).onnxGrants(),
    open: async (options) => await (await import("./onnx/device.ts")).openOnnxDevice(options),
  },
  webgpu: {
    // Loads graphics drivers, which takes tenths of a second; all other descriptions only read a few files.
    describe: () => adapter ??= describeQuietly(),
    grants: () => Promise.resolve({}),
    open: async (options) => await (await import("./webgpu/device.ts")).openWebgpuDevice(options),
  },
  tensorflow: tensorflow(false),
  "tensorflow-gpu": tensorflow(true),
  wasm: {
    describe: async ({ threads }) => (await import("./wasm/describe.ts")).describeWasm(threads),
    grants: async () => (await import("./wasm/describe.ts")).wasmGrants(),
    open: async (options) => await (await import("./wasm/device.ts")).openWasmDevice(options),
  },
};

function tensorflow(gpu: boolean): Implementation {
  return {
    describe: async ({ threads }) => (await import("./tensorflow/describe.ts")).describeTensorflow(gpu, threads),
    grants: async () => (await import("./tensorflow/describe.ts")).tensorflowGrants(gpu),
    open: async (options) => await (await import("./tensorflow/device.ts")).openTensorflowDevice({ ...options, gpu }),
  };
}

let adapter: Promise<DeviceDescription> | undefined;

/** Describes every device, or those that are named, without opening any. */
export async function describeDevices(wanted: readonly string[] = AUTO_ORDER): Promise<DeviceDescription[]> {
  const names = AUTO_ORDER.filter((name) => wanted.includes(name));
  return await Promise.all(names.map((name) => IMPLEMENTATIONS[name].describe({})));
}

/** Mesa's drivers complain on the user's terminal if this variable is missing, as it is without a desktop. */
async function describeQuietly(): Promise<DeviceDescription> {
  const { describeWebgpu } = await import("./webgpu/describe.ts");
  const isMissing = process.env["XDG_RUNTIME_DIR"] === undefined;
  if (isMissing) process.env["XDG_RUNTIME_DIR"] = "/";
  return await describeWebgpu().finally(() => isMissing && delete process.env["XDG_RUNTIME_DIR"]);
}
