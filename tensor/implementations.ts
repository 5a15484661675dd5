import type { Device, DeviceOptions } from "./device.ts";
import { AUTO_ORDER, type ConcreteDeviceName, type DeviceDescription, type DeviceGrants } from "./devices.ts";

/** What a device would be opened with, as far as that decides what it is. */
export type DescribeOptions = Pick<DeviceOptions, "threads">;

interface Implementation {
  /** What the device is on this machine, or why it is not there. Opens nothing. */
  describe(options: DescribeOptions): Promise<DeviceDescription>;
  /** What a process with few permissions needs for it. The device's packages must be installed. */
  grants(): Promise<DeviceGrants>;
  open(options: DeviceOptions): Promise<Device>;
}

/** Each device. What knows of one is loaded only when it is asked for: most commands never do. */
export const IMPLEMENTATIONS: Readonly<Record<ConcreteDeviceName, Implementation>> = {
  onnx: {
    describe: async ({ threads }) => (await import("./onnx/describe.ts")).describeOnnx(threads),
    grants: async () => (await import("./onnx/describe.ts")).onnxGrants(),
    open: async (options) => await (await import("./onnx/device.ts")).openOnnxDevice(options),
  },
  webgpu: {
    // Loads graphics drivers, which takes tenths of a second; everything else here looks at a few files.
    describe: () => adapter ??= import("./webgpu/describe.ts").then(({ describeWebgpu }) => describeWebgpu()),
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

/** Every device, or those that are named, without opening any. */
export async function describeDevices(wanted: readonly string[] = AUTO_ORDER): Promise<DeviceDescription[]> {
  const names = AUTO_ORDER.filter((name) => wanted.includes(name));
  return await Promise.all(names.map((name) => IMPLEMENTATIONS[name].describe({})));
}
