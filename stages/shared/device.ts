import type { KnownWork, TryDevice } from "../../schemas/device.ts";
import type { DeviceFinding, StageContext } from "../../engine/contract/stage.ts";
import { definedOnly } from "../../std/defined_only.ts";
import type { ConcreteDeviceName } from "../../science/tensor/devices.ts";
import type { Device, DeviceName, Precision } from "../../science/tensor/mod.ts";

interface DeviceParams {
  readonly device: DeviceName;
  readonly threads?: number | undefined;
  readonly precision?: Precision;
}

/** Finds the device that a stage's params name on this machine, or says why it is not available. */
export async function findStageDevice(
  { device: wanted, threads, precision }: DeviceParams,
  tryDevice: TryDevice,
  known?: KnownWork,
): Promise<DeviceFinding> {
  // Loaded only for stages that may run: an up-to-date plan needs none of it.
  const [{ chooseDevice }, { trialOf }] = await Promise.all([
    import("../../science/tensor/implementations.ts"),
    import("./device_trial.ts"),
  ]);
  const tryOut = (device: Parameters<typeof trialOf>[0]) => tryDevice(trialOf(device));
  const chosen = await chooseDevice(wanted, definedOnly({ tryOut, threads, precision, known }));
  if (chosen.available) {
    const { available: _, name, ...facts } = chosen;
    const native = name !== "wasm" && name !== "webgpu";
    const grants = async () => (await import("../../science/tensor/implementations.ts")).IMPLEMENTATIONS[name].grants();
    return { device: { name, ...facts, native, grants } };
  }
  const message = wanted === "auto" ? "no device is available" : `device "${wanted}" is not available`;
  return { problem: { param: ["device"], message: `${message}: ${chosen.reason}`, fix: chosen.fix } };
}

/**
 * Open the device that the engine found for a stage, use it, and close it in any case. For built-in kinds that have a
 * device and custom stages with `device: true`; for others it throws.
 *
 * @example
 * ```ts ignore
 * async run(context) {
 *   const sum = await withDevice(context, async (device) => {
 *     const add = await device.compile(({ x }) => ({ sum: tf.sum(x!) }), { x: { shape: [2], dtype: "float32" } });
 *     return (await add.run({ x: new Float32Array([1, 2]) })).sum![0];
 *   });
 * }
 * ```
 */
export async function withDevice<T>(
  { params, device: found }: { readonly params: object; readonly device: StageContext["device"] },
  use: (device: Device) => Promise<T>,
): Promise<T> {
  if (found === undefined) throw new Error("The stage has no device. Fix: set device: true in its definition.");
  const { openDevice } = await import("../../science/tensor/implementations.ts");
  const { threads } = params as Partial<DeviceParams>;
  const device = await openDevice(found.name as ConcreteDeviceName, {
    ...definedOnly({ threads }),
    // The stage's process may not examine the machine, so the engine passes what it found.
    numerics: found.numerics,
  });
  try {
    return await use(device);
  } finally {
    await device.dispose();
  }
}
