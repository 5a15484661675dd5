import type { ConcreteDeviceName, DeviceDescription, DeviceName, DeviceTrouble } from "./devices.ts";
import { AUTO_ORDER } from "./devices.ts";
import { type DescribeOptions, IMPLEMENTATIONS } from "./implementations.ts";

/** A device that can be opened here, and why it is this one. */
export interface ChosenDevice {
  readonly available: true;
  readonly name: ConcreteDeviceName;
  readonly numerics: string;
  /** What the device is; for `auto`, also why no better one. */
  readonly reason: string;
  /** It computes on a real graphics card. */
  readonly card: boolean;
  /** Of `auto`: an NVIDIA GPU is here and something slower was chosen. In one sentence, with what to do about it. */
  readonly warning?: { readonly message: string; readonly fix?: string };
}

export interface NoDevice {
  readonly available: false;
  readonly reason: string;
  readonly fix: string;
}

export interface ChooseOptions extends DescribeOptions {
  /** Looks at one device; given by tests. */
  readonly describe?: Describe;
  /** Lets a device compute something before it is chosen, and says what is wrong with it. */
  readonly tryOut?: TryOut;
}

type Describe = (name: ConcreteDeviceName, options: DescribeOptions) => Promise<DeviceDescription>;

export type TryOut = (device: DeviceDescription) => Promise<DeviceTrouble | undefined>;

/**
 * Find the device that a name stands for on this machine, without opening it. Devices are looked at in turn, and those
 * that are worse than the chosen one not at all.
 */
export async function chooseDevice(
  wanted: DeviceName,
  { describe = wanted === "auto" ? describeForAuto : describeDevice, tryOut, ...options }: ChooseOptions = {},
): Promise<ChosenDevice | NoDevice> {
  const passedOver: DeviceDescription[] = [];
  for (const name of wanted === "auto" ? AUTO_ORDER : [wanted]) {
    const looked = await describe(name, options);
    // A software adapter is slower than computing on the CPU directly.
    const played = wanted === "auto" && name === "webgpu" && looked.available && looked.card !== true;
    const found = played ? looked : await asTried(looked, tryOut);
    const { available, reason, numerics, card = false } = found;
    if (available && !played) {
      const better = passedOver.length === 0 ? "" : `; better, but not available: ${list(passedOver)}`;
      const chosen = { available, name, numerics: numerics ?? name, reason: `${reason}${better}`, card };
      const missed = passedOver.find(({ seen }) => seen !== undefined);
      return missed === undefined ? chosen : { ...chosen, warning: warnOf(missed, name) };
    }
    passedOver.push(found);
  }
  const [first] = passedOver;
  if (wanted !== "auto") {
    const fix = first!.fix ?? "use device auto; `deno task doctor` lists the devices of this machine";
    return { available: false, reason: first!.reason, fix };
  }
  return {
    available: false,
    reason: `this machine has none: ${list(passedOver)}`,
    fix: "`deno task doctor` lists what each needs",
  };
}

const describeDevice: Describe = (name, options) => IMPLEMENTATIONS[name].describe(options);

function list(devices: readonly DeviceDescription[]): string {
  return devices.map(({ name, reason }) => `${name} (${reason})`).join("; ");
}

/** A device as it was described, or as one that is not available where it does not compute. */
export async function asTried(device: DeviceDescription, tryOut: TryOut | undefined): Promise<DeviceDescription> {
  const trouble = device.available ? await tryOut?.(device) : undefined;
  return trouble === undefined ? device : { ...device, available: false, numerics: undefined, ...trouble };
}

function warnOf(
  { name, seen, reason, fix }: DeviceDescription,
  chosen: ConcreteDeviceName,
): NonNullable<ChosenDevice["warning"]> {
  const message =
    `${seen} is here, but device ${name} cannot use it: ${reason}; ${chosen} is used instead, which is slower`;
  return { message, ...(fix === undefined ? {} : { fix }) };
}

/** Asking for a WebGPU adapter loads graphics drivers, which is not worth it where no GPU can be. */
async function describeForAuto(name: ConcreteDeviceName, options: DescribeOptions): Promise<DeviceDescription> {
  if (name === "webgpu" && !(await import("./gpus.ts")).mayHaveGpu()) {
    return { name, available: false, reason: "no GPU", numerics: undefined };
  }
  return await describeDevice(name, options);
}
