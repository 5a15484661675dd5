/** Permissions that a device needs in the process of the stage that computes on it. Paths are absolute. */
export interface DeviceGrants {
  readonly read?: readonly string[];
  /** Folders of native libraries. Native code is not contained. */
  readonly ffi?: readonly string[];
  readonly env?: readonly string[];
}

/** The device that a stage computes on. The engine finds it beforehand: the stage's own process may not look around. */
export interface StageDevice {
  readonly name: string;
  /** Device, engine version and instruction-set class, which decide the rounding of the results. */
  readonly numerics: string;
  /** A description of the device and, if it was chosen automatically, the reason why no better one was. */
  readonly reason: string;
  /** True for a real graphics card: `tensorflow-gpu`, or `webgpu` on an adapter that is not software. */
  readonly card: boolean;
  /** A fact about the choice that the user should know, such as a card that is present but cannot be used. */
  readonly warning?: { readonly message: string; readonly fix?: string };
  /** The command that makes a device available which is measured to be faster at such work, if there is one. */
  readonly faster?: string;
  /** True if native code computes there, which no permission contains. */
  readonly native: boolean;
  /** Returns the permissions that the device needs; called once the stage's packages are installed. */
  readonly grants: () => Promise<DeviceGrants>;
}

/** Knowledge of a stage before its device is found. */
export interface KnownWork {
  /** As `CheckResult.workShape`. */
  readonly workShape?: readonly number[] | undefined;
  /** Numerics under which the stage has saved states, with `_` for characters that no path has. */
  readonly saved?: readonly string[];
  /** True if the stage trains a U-Net of `workShape`. */
  readonly trains?: boolean;
}

/** The reason why a device cannot be used here, and what to do about it. */
export interface DeviceTrouble {
  readonly reason: string;
  readonly fix?: string;
  /** True if the trouble may be over at any moment, so that nobody should rely on it. */
  readonly passing?: boolean;
}

/** A test that finds out if a device that seems to be available computes right. */
export interface DeviceTrial {
  /** The device with its versions and driver: the verdict of the trial holds for these, on one machine. */
  readonly of: string;
  /** The module that computes, in a process of its own, and its arguments. */
  readonly program: string;
  readonly args: readonly string[];
  readonly timeoutMs: number;
  /** Returns what is wrong with the device, from the standard output and standard error of the program. */
  readonly judge: (printed: string, said: string) => DeviceTrouble | undefined;
}

/** Tries a device, or returns the verdict of an earlier trial. */
export type TryDevice = (
  trial: DeviceTrial,
  options?: { readonly again?: boolean },
) => Promise<DeviceTrouble | undefined>;
