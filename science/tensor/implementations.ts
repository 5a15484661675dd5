import process from "node:process";
import type { KnownWork } from "../../schemas/device.ts";
import type { Device, DeviceOptions } from "./device.ts";
import { CONCRETE_DEVICES, DEVICE_NAMES } from "./devices.ts";
import { reasonForTorch } from "./faster.ts";
import type { Installation } from "./tensorflow/installation.ts";
import type { ConcreteDeviceName, DeviceDescription, DeviceGrants, DeviceName, DeviceTrouble } from "./devices.ts";
import { definedOnly } from "../../std/defined_only.ts";

/** The options of a device that affect its description. */
type DescribeOptions = Pick<DeviceOptions, "threads" | "precision">;

interface OpenOptions extends DeviceOptions {
  /** The engine's files, if a set-up has not moved them to their place yet. */
  readonly installation?: { readonly folder: string };
}

interface Implementation {
  /** Describes the device on this machine, or why it is not available. Opens nothing. */
  describe(options: DescribeOptions): Promise<DeviceDescription>;
  /**
   * Returns the permissions and variables that the device needs in a process with few permissions. The device's
   * packages must be installed.
   */
  grants(): Promise<DeviceGrants>;
  open(options: OpenOptions): Promise<Device>;
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
  torch: {
    describe: async (options) => (await import("./torch/describe.ts")).describeTorch(options),
    grants: async () => (await import("./torch/describe.ts")).torchGrants(),
    open: async (options) => await (await import("./torch/device.ts")).openTorchDevice(options),
  },
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
    open: async ({ installation, ...options }) => {
      const { openTensorflowDevice } = await import("./tensorflow/device.ts");
      return await openTensorflowDevice({
        ...options,
        gpu,
        ...definedOnly({ installation: installation as Installation }),
      });
    },
  };
}

let adapter: Promise<DeviceDescription> | undefined;

/** Describes every device, or those that are named, without opening any. */
export async function describeDevices(
  wanted: readonly ConcreteDeviceName[] = CONCRETE_DEVICES,
): Promise<DeviceDescription[]> {
  return await Promise.all(wanted.map((name) => IMPLEMENTATIONS[name].describe({})));
}

/** Mesa's drivers complain on the user's terminal if this variable is missing, as it is without a desktop. */
async function describeQuietly(): Promise<DeviceDescription> {
  const { describeWebgpu } = await import("./webgpu/describe.ts");
  const isMissing = process.env["XDG_RUNTIME_DIR"] === undefined;
  if (isMissing) process.env["XDG_RUNTIME_DIR"] = "/";
  return await describeWebgpu().finally(() => isMissing && delete process.env["XDG_RUNTIME_DIR"]);
}

/**
 * Opens a device. Its implementation, TF.js and the engine are loaded only here, so importing this file costs nothing.
 * Without `numerics`, this machine is examined first, which a process with few permissions may not do: its parent gives
 * it a concrete name and the numerics. `tensorflow`, TensorFlow on the CPU, is for rehearsals of `tensorflow-gpu`.
 * @throws Error when the name is unknown or the device is not available.
 */
export async function openDevice(name: DeviceName | "tensorflow", options: DeviceOptions = {}): Promise<Device> {
  if (name !== "auto" && !(name in IMPLEMENTATIONS)) {
    throw new Error(`Cannot open device "${name}": it does not exist. Fix: use one of ${DEVICE_NAMES.join(", ")}.`);
  }
  const { numerics, threads, precision } = options;
  if (name !== "auto" && numerics !== undefined) return await IMPLEMENTATIONS[name].open(options);
  const chosen = await chooseDevice(name, definedOnly({ threads, precision }));
  if (!chosen.available) throw new Error(`Cannot open device "${name}": ${chosen.reason}. Fix: ${chosen.fix}.`);
  return await IMPLEMENTATIONS[chosen.name].open({ ...options, numerics: numerics ?? chosen.numerics });
}

interface ChooseOptions extends DescribeOptions {
  readonly known?: KnownWork;
  /** Describes one device; replaced by tests. */
  readonly describe?: Describe;
  /** Lets a device compute something before it is chosen, and returns what is wrong with it, if anything. */
  readonly tryOut?: TryOut;
}

type Describe = (name: ConcreteDeviceName, options: DescribeOptions) => Promise<DeviceDescription>;

type TryOut = (device: DeviceDescription) => Promise<DeviceTrouble | undefined>;

/**
 * Finds the device that a name stands for on this machine, without opening it. Devices are examined in turn, best
 * first, until one is chosen.
 *
 * @returns the device and its description; for `auto` also why no better device was chosen, with a warning if the user
 * would not expect that
 */
export async function chooseDevice(
  wanted: DeviceName | ConcreteDeviceName,
  { describe = wanted === "auto" ? describeForAuto : describeDevice, tryOut, known, ...options }: ChooseOptions = {},
) {
  const passedOver: DeviceDescription[] = [];
  const inBfloat16 = options.precision === "bf16";
  if (inBfloat16 && wanted !== "auto" && wanted !== "torch") {
    return {
      available: false,
      reason: "it has no precision bf16",
      fix: "use device torch, or precision fp32",
    } as const;
  }
  const forTorch = known && reasonForTorch(known);
  const [cuda, webgpu, onnx, torch, wasm] = CONCRETE_DEVICES;
  const order = forTorch === undefined ? CONCRETE_DEVICES : [cuda, webgpu, torch, onnx, wasm];
  for (const name of wanted !== "auto" ? [wanted] : inBfloat16 ? [torch] : order) {
    const looked = await describe(name, options);
    // A software adapter is slower than computing on the CPU directly.
    const isSoftware = wanted === "auto" && name === "webgpu" && looked.available && looked.card !== true;
    const found = isSoftware ? looked : await asTried(looked, tryOut);
    const { available, reason, numerics, card = false } = found;
    if (available && !isSoftware) {
      const better = passedOver.length === 0 ? "" : `; better, but not available: ${list(passedOver)}`;
      if (inBfloat16 && wanted === "auto" && !card) {
        const without = { reason: "it has no precision bf16", fix: "use precision fp32" };
        passedOver.push({ ...await describe("tensorflow-gpu", options), ...without });
      }
      const missed = passedOver.find(({ seen }) => seen !== undefined);
      const warning = missed === undefined ? softwareWarning(found) : warnOf(missed, name);
      const why = wanted === "auto" && name === torch && forTorch !== undefined ? `; ${forTorch}` : "";
      const faster = name === onnx ? passedOver.find((one) => one.name === torch)?.fix : undefined;
      const told = { numerics: numerics ?? name, reason: `${reason}${why}${better}`, card };
      return { available, name, ...told, ...definedOnly({ warning, faster }) };
    }
    passedOver.push(found);
  }
  const [first] = passedOver;
  const { reason, fix = "use device auto; `deno task doctor` lists the devices of this machine" } = wanted !== "auto"
    ? first!
    : inBfloat16
    ? { ...first!, reason: `no device here has precision bf16: ${list(passedOver)}` }
    : { reason: `this machine has none: ${list(passedOver)}`, fix: "`deno task doctor` lists what each needs" };
  return { available: false, reason, fix } as const;
}

const describeDevice: Describe = (name, options) => IMPLEMENTATIONS[name].describe(options);

function list(devices: readonly DeviceDescription[]): string {
  return devices.map(({ name, reason }) => `${name} (${reason})`).join("; ");
}

/** Returns a device's description, changed to not available if the device does not compute. */
export async function asTried(device: DeviceDescription, tryOut: TryOut | undefined): Promise<DeviceDescription> {
  const trouble = device.available ? await tryOut?.(device) : undefined;
  return trouble === undefined ? device : { ...device, available: false, numerics: undefined, ...trouble };
}

/** Warns that an NVIDIA GPU is present and something slower was chosen: one sentence, with advice. */
function warnOf({ name, seen, reason, fix }: DeviceDescription, chosen: ConcreteDeviceName) {
  const message =
    `${seen} is here, but device ${name} cannot use it: ${reason}; ${chosen} is used instead, which is slower`;
  return { message, ...definedOnly({ fix }) };
}

/** Warns that the WebGPU that was asked for by name is software. */
function softwareWarning({ name, card, reason }: DeviceDescription) {
  if (name !== "webgpu" || card === true) return undefined;
  return { message: `device webgpu: ${reason}; the other devices are faster`, fix: "use device auto" };
}

/** Requesting a WebGPU adapter loads graphics drivers, which is skipped if there cannot be a GPU. */
const describeForAuto: Describe = async (name, options) =>
  name !== "webgpu" || (await import("./gpus.ts")).mayHaveGpu()
    ? await describeDevice(name, options)
    : { name, available: false, reason: "no GPU", numerics: undefined };
