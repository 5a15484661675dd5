import type { ConcreteDeviceName, DeviceDescription, DeviceName } from "./devices.ts";
import { type DescribeOptions, IMPLEMENTATIONS } from "./implementations.ts";

/** What `auto` takes, best first. */
export const AUTO_ORDER = ["tensorflow-gpu", "webgpu", "onnx", "tensorflow", "wasm"] as const;

/** A device that can be opened here, and why it is this one. */
export interface ChosenDevice {
  readonly available: true;
  readonly name: ConcreteDeviceName;
  readonly numerics: string;
  /** What the device is; for `auto`, also why no better one. */
  readonly reason: string;
  /** It computes on a real graphics card. */
  readonly card: boolean;
}

export interface NoDevice {
  readonly available: false;
  readonly reason: string;
  readonly fix: string;
}

export interface ChooseOptions extends DescribeOptions {
  /** Looks at one device; given by tests. */
  readonly describe?: Describe;
}

type Describe = (name: ConcreteDeviceName, options: DescribeOptions) => Promise<DeviceDescription>;

/**
 * Find the device that a name stands for on this machine, without opening it. Devices are looked at in turn, and those
 * that are worse than the chosen one not at all.
 */
export async function chooseDevice(name: DeviceName, options: ChooseOptions = {}): Promise<ChosenDevice | NoDevice> {
  return name === "auto" ? await chooseBest(options) : await takeNamed(name, options);
}

async function takeNamed(
  name: ConcreteDeviceName,
  { describe = (name, options) => IMPLEMENTATIONS[name].describe(options), ...options }: ChooseOptions,
): Promise<ChosenDevice | NoDevice> {
  const { available, reason, numerics, fix, card = false } = await describe(name, options);
  if (available) return { available, name, numerics: numerics ?? name, reason, card };
  return { available, reason, fix: fix ?? "use device auto; `deno task doctor` lists what this machine has" };
}

async function chooseBest({ describe = describeForAuto, ...options }: ChooseOptions): Promise<ChosenDevice | NoDevice> {
  const passedOver: string[] = [];
  for (const name of AUTO_ORDER) {
    const { available, reason, numerics, card = false } = await describe(name, options);
    // A processor that plays a graphics card is slower than one that does not.
    if (available && (card || name !== "webgpu")) {
      const better = passedOver.length === 0 ? "" : `; better, but not here: ${passedOver.join("; ")}`;
      return { available, name, numerics: numerics ?? name, reason: `${reason}${better}`, card };
    }
    passedOver.push(`${name} (${reason})`);
  }
  return {
    available: false,
    reason: `this machine has none: ${passedOver.join("; ")}`,
    fix: "`deno task doctor` lists what each needs",
  };
}

/** Asking for a WebGPU adapter loads graphics drivers, which is not worth it where no graphics processor can be. */
async function describeForAuto(name: ConcreteDeviceName, options: DescribeOptions): Promise<DeviceDescription> {
  if (name === "webgpu" && !(await import("./gpu_nodes.ts")).mayHaveGpu()) {
    return { name, available: false, reason: "no graphics processor", numerics: undefined };
  }
  return await IMPLEMENTATIONS[name].describe(options);
}
