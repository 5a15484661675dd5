import { type Device, type DeviceName, openDevice } from "../../tensor/mod.ts";

interface DeviceContext {
  readonly params: { readonly device: DeviceName; readonly threads?: number | undefined };
  readonly numerics: string | undefined;
}

/** Open the device that a stage's params name, use it, and close it whatever happens. */
export async function withDevice<T>({ params, numerics }: DeviceContext, use: (device: Device) => Promise<T>) {
  const device = await openDevice(params.device, {
    ...(params.threads === undefined ? {} : { threads: params.threads }),
    // The stage's process may not look at the processor, so the engine says what it is.
    ...(numerics === undefined ? {} : { numerics }),
  });
  try {
    return await use(device);
  } finally {
    await device.dispose();
  }
}
