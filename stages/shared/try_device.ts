import { createHash } from "node:crypto";
import { join } from "node:path";
import { loadModules, TOOLKIT_CONFIG } from "../../engine/process/runtime.ts";
import { makeFolder, writeAtomically } from "../../engine/store/files.ts";
import { machineClass } from "../../engine/store/machine.ts";
import { parseJson, recordText } from "../../engine/store/read_record.ts";
import { readIfThere } from "../../engine/store/reading.ts";
import { openRoot } from "../../engine/store/roots.ts";
import { ignoreTrouble } from "../../engine/store/trouble.ts";
import { userCache } from "../../engine/store/user_cache.ts";
import { deviceVerdictSchema } from "../../schemas/records.ts";
import { asTried } from "../../tensor/choose.ts";
import type { DeviceDescription, DeviceTrouble } from "../../tensor/devices.ts";
import { describeDevices } from "../../tensor/implementations.ts";
import { explainGpuFailure } from "../../tensor/tensorflow/describe.ts";
import { nvidiaDriver } from "../../tensor/gpus.ts";
import type { Installation } from "../../tensor/tensorflow/installation.ts";

const PROGRAM = import.meta.resolve("../../tensor/try_out.ts");

/** A card that is newer than the libraries has its kernels compiled first, once, which takes minutes. */
const TIMEOUT_MS = { card: 15 * 60_000, processor: 60_000 };
/** CUDA's libraries alone take more than two. */
const MEMORY = 16 * 2 ** 30;
const MAX_VERDICT_BYTES = 1 << 14;

const tried = new Map<string, Promise<DeviceTrouble | undefined>>();

export interface ComputeOptions {
  /** The module that computes; tests have their own. */
  readonly program?: string;
  readonly timeoutMs?: number;
  readonly installation?: Installation;
}

export interface TryOptions extends ComputeOptions {
  /** Whatever came of it before. */
  readonly again?: boolean;
  /** Where verdicts are kept; default: the user's cache. */
  readonly folder?: string;
}

/**
 * What is wrong with a device that seems to be available; undefined where it computes a small product right. What came
 * of it is kept for this device, its versions, driver and machine, so that only the first run pays for it.
 */
export function tryDevice(device: DeviceDescription, options: TryOptions = {}): Promise<DeviceTrouble | undefined> {
  const { name, numerics = name, card = false } = device;
  const versions = [numerics.replace(/\/\d+-threads?$/, ""), Deno.version.deno, machineClass()];
  const of = [name, ...versions, ...card ? [nvidiaDriver()] : []].join(" ");
  const path = join(options.folder ?? userCache("devices"), `${createHash("sha256").update(of).digest("hex")}.json`);
  let verdict = options.again === true ? undefined : tried.get(path);
  if (verdict === undefined) tried.set(path, verdict = judge(device, of, path, options));
  return verdict;
}

/** Devices as they are now: whoever asks does not want to know what came of trying them before. */
export async function examineDevices(wanted?: readonly string[]): Promise<DeviceDescription[]> {
  const devices = await describeDevices(wanted);
  return await Promise.all(devices.map((one) => asTried(one, (device) => tryDevice(device, { again: true }))));
}

async function judge(
  device: DeviceDescription,
  of: string,
  path: string,
  { again = false, ...options }: TryOptions,
): Promise<DeviceTrouble | undefined> {
  const bytes = again ? undefined : readIfThere(path, MAX_VERDICT_BYTES);
  const kept = bytes && parseJson(new TextDecoder().decode(bytes), deviceVerdictSchema);
  if (kept?.of === of) return kept.trouble ?? undefined;
  const trouble = await computeOn(device, options);
  if (trouble?.passing === true) return trouble;
  ignoreTrouble(() => {
    const folder = join(path, "..");
    openRoot(folder);
    makeFolder(folder);
    writeAtomically(path, recordText(path, deviceVerdictSchema, { of, trouble: trouble ?? null }));
  });
  return trouble;
}

/**
 * Let a device compute a small product in a process of its own, within bounds.
 * @param options.installation of TensorFlow that is to be tried before it is in its place
 */
export async function computeOn(
  { name, numerics = name, card = false }: Pick<DeviceDescription, "name" | "numerics" | "card">,
  { program = PROGRAM, timeoutMs = TIMEOUT_MS[card ? "card" : "processor"], installation }: ComputeOptions = {},
): Promise<DeviceTrouble | undefined> {
  const flags = ["-A", "--quiet", "--no-prompt", "--no-check", "--cached-only", `--config=${TOOLKIT_CONFIG}`];
  const args = [name, numerics, ...installation === undefined ? [] : [JSON.stringify(installation)]];
  const { stdout, said: raw } = await loadModules(["run", ...flags, program, ...args], { timeoutMs, memory: MEMORY });
  // Drivers write what they like, and these words are shown and kept.
  const said = raw.replaceAll(/[^\P{C}\n]/gu, "?");
  if (stdout.trimEnd().endsWith("right")) return undefined;
  if (name === "tensorflow-gpu") return explainGpuFailure(said);
  const what = said.split("\n").at(-1) || "its process ended without a word";
  const fix = "`deno task doctor` tries it again; report what it says";
  // A processor that had too much else to do may have time in the next run; a card had a quarter of an hour.
  const passing = !card && what.startsWith("it took") ? { passing: true } : {};
  return { reason: `it does not compute: ${what}`, fix, ...passing };
}
