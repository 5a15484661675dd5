import type { Device, DeviceOptions } from "./device.ts";
import { DEVICE_NAMES, type DeviceName } from "./devices.ts";
import { IMPLEMENTATIONS } from "./implementations.ts";

/**
 * Opens a device. Its implementation, TF.js and the engine are loaded only here, so importing this file costs nothing.
 * Without `numerics`, this machine is examined first, which a process with few permissions may not do: its parent gives
 * it a concrete name and the numerics.
 * @throws Error when the name is unknown or the device is not available.
 */
export async function openDevice(name: DeviceName, options: DeviceOptions = {}): Promise<Device> {
  if (!DEVICE_NAMES.includes(name)) {
    throw new Error(`Cannot open device "${name}": it does not exist. Fix: use one of ${DEVICE_NAMES.join(", ")}.`);
  }
  const { numerics, threads } = options;
  if (name !== "auto" && numerics !== undefined) return await IMPLEMENTATIONS[name].open(options);
  const chosen = await (await import("./choose.ts")).chooseDevice(name, threads === undefined ? {} : { threads });
  if (!chosen.available) throw new Error(`Cannot open device "${name}": ${chosen.reason}. Fix: ${chosen.fix}.`);
  return await IMPLEMENTATIONS[chosen.name].open({ ...options, numerics: numerics ?? chosen.numerics });
}
