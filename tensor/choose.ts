import { definedOnly } from "../std/defined_only.ts";
import type { ConcreteDeviceName, DeviceDescription, DeviceName, DeviceTrouble } from "./devices.ts";
import { AUTO_ORDER } from "./devices.ts";
import { type DescribeOptions, IMPLEMENTATIONS } from "./implementations.ts";

export interface ChooseOptions extends DescribeOptions {
  /** Describes one device; replaced by tests. */
  readonly describe?: Describe;
  /** Lets a device compute something before it is chosen, and returns what is wrong with it, if anything. */
  readonly tryOut?: TryOut;
}

type Describe = (name: ConcreteDeviceName, options: DescribeOptions) => Promise<DeviceDescription>;

export type TryOut = (device: DeviceDescription) => Promise<DeviceTrouble | undefined>;

/**
 * Finds the device that a name stands for on this machine, without opening it. Devices are examined in turn, best
 * first, until one is chosen.
 *
 * @returns the device and its description; for `auto` also why no better device was chosen, with a warning if the user
 * would not expect that
 */
export async function chooseDevice(
  wanted: DeviceName,
  { describe = wanted === "auto" ? describeForAuto : describeDevice, tryOut, ...options }: ChooseOptions = {},
) {
  const passedOver: DeviceDescription[] = [];
  for (const name of wanted === "auto" ? AUTO_ORDER : [wanted]) {
    const looked = await describe(name, options);
    // A software adapter is slower than computing on the CPU directly.
    const played = wanted === "auto" && name === "webgpu" && looked.available && looked.card !== true;
    const found = played ? looked : await asTried(looked, tryOut);
    const { available, reason, numerics, card = false } = found;
    if (available && !played) {
      const better = passedOver.length === 0 ? "" : `; better, but not available: ${list(passedOver)}`;
      const missed = passedOver.find(({ seen }) => seen !== undefined);
      const warning = missed === undefined ? softwareWarning(found) : warnOf(missed, name);
      const reasons = `${reason}${better}`;
      return { available, name, numerics: numerics ?? name, reason: reasons, card, ...definedOnly({ warning }) };
    }
    passedOver.push(found);
  }
  const [first] = passedOver;
  const { reason, fix = "use device auto; `deno task doctor` lists the devices of this machine" } = wanted === "auto"
    ? { reason: `this machine has none: ${list(passedOver)}`, fix: "`deno task doctor` lists what each needs" }
    : first!;
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
async function describeForAuto(name: ConcreteDeviceName, options: DescribeOptions): Promise<DeviceDescription> {
  if (name === "webgpu" && !(await import("./gpus.ts")).mayHaveGpu()) {
    return { name, available: false, reason: "no GPU", numerics: undefined };
  }
  return await describeDevice(name, options);
}
