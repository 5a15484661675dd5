/** Every device, best first, as `auto` takes them. */
export const AUTO_ORDER = ["tensorflow-gpu", "webgpu", "onnx", "tensorflow", "wasm"] as const;

/** What a pipeline or a command line may name. `auto` is the best device that is available. */
export const DEVICE_NAMES = ["auto", ...AUTO_ORDER] as const;

/** One of {@linkcode DEVICE_NAMES}. */
export type DeviceName = typeof DEVICE_NAMES[number];

/** A device of its own, which `auto` is not. */
export type ConcreteDeviceName = typeof AUTO_ORDER[number];

export interface DeviceDescription {
  readonly name: ConcreteDeviceName;
  readonly available: boolean;
  /** What the device is, or why it is not available. */
  readonly reason: string;
  /** As `Device.numerics`; undefined when it cannot be known here. */
  readonly numerics: string | undefined;
  /** How to make it available, where that is one command or setting. */
  readonly fix?: string;
  /** It computes on a real graphics card, which a software `webgpu` does not. */
  readonly card?: boolean;
  /** Name of an NVIDIA GPU that is visible here, whether the device can use it or not. */
  readonly seen?: string;
}

export type { DeviceGrants, DeviceTrouble } from "../contract/stage.ts";
