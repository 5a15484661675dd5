/**
 * Every device, in the order in which `auto` tries them; `torch` before `onnx` for work that it was measured to be
 * faster at.
 */
export const CONCRETE_DEVICES = ["tensorflow-gpu", "webgpu", "onnx", "torch", "wasm"] as const;

/** The names that a pipeline or a command line may use. `auto` is the best device that is available. */
export const DEVICE_NAMES = ["auto", ...CONCRETE_DEVICES] as const;

/** One of {@linkcode DEVICE_NAMES}. */
export type DeviceName = typeof DEVICE_NAMES[number];

/** A single device: one that may be named, or `tensorflow`, on which tests rehearse `tensorflow-gpu` without a card. */
export type ConcreteDeviceName = typeof CONCRETE_DEVICES[number] | "tensorflow";

export interface DeviceDescription {
  readonly name: ConcreteDeviceName;
  readonly available: boolean;
  /** Describes the device, or why it is not available. */
  readonly reason: string;
  /** As `Device.numerics`; undefined if it cannot be known here. */
  readonly numerics: string | undefined;
  /** One command or setting that makes the device available, if there is one. */
  readonly fix?: string;
  /** True if the device computes on a real graphics card, which a software `webgpu` does not. */
  readonly card?: boolean;
  /** Name of an NVIDIA GPU that is visible to this process, even if the device cannot use it. */
  readonly seen?: string;
}

export type { DeviceGrants, DeviceTrouble } from "../../schemas/device.ts";
