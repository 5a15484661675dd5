import type { ConcreteDeviceName, Device, DeviceName } from "../../tensor/mod.ts";
import type { DeviceFinding, DeviceGrants, StageContext } from "../contract.ts";

interface DeviceParams {
  readonly device: DeviceName;
  readonly threads?: number | undefined;
}

/** Find the device that a stage's params name on this machine, or say why it is not there. */
export async function findStageDevice({ device: wanted, threads }: DeviceParams): Promise<DeviceFinding> {
  // Loaded only for stages that may run: a plan with nothing to do needs none of it.
  const { chooseDevice } = await import("../../tensor/choose.ts");
  const chosen = await chooseDevice(wanted, threads === undefined ? {} : { threads });
  if (chosen.available) {
    const { name, numerics, reason } = chosen;
    return { device: { name, numerics, reason, grants: () => grantsOf(name) } };
  }
  const message = wanted === "auto" ? "no device is available" : `device "${wanted}" is not available`;
  return {
    problem: { severity: "error", param: ["device"], message: `${message}: ${chosen.reason}`, fix: chosen.fix },
  };
}

async function grantsOf(name: ConcreteDeviceName): Promise<DeviceGrants> {
  const { grantsFor } = await import("../../tensor/describe.ts");
  return await grantsFor(name);
}

/** Open the device that the engine found for a stage, use it, and close it whatever happens. */
export async function withDevice<T>(
  { params, device: found }: { readonly params: DeviceParams; readonly device: StageContext["device"] },
  use: (device: Device) => Promise<T>,
): Promise<T> {
  const { openDevice } = await import("../../tensor/open.ts");
  const device = await openDevice(found === undefined ? params.device : found.name as ConcreteDeviceName, {
    ...(params.threads === undefined ? {} : { threads: params.threads }),
    // The stage's process may not look at the machine, so the engine says what it saw.
    ...(found === undefined ? {} : { numerics: found.numerics }),
  });
  try {
    return await use(device);
  } finally {
    await device.dispose();
  }
}
