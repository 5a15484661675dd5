import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DeviceTrial, DeviceTrouble } from "../../schemas/device.ts";
import { deviceVerdictSchema } from "../../schemas/records.ts";
import { isOwn, userFolder } from "../../std/user_folder.ts";
import { writeAtomically } from "../store/files.ts";
import { machineClass } from "./machine.ts";
import { sha256Of } from "../store/reading.ts";
import { readRecord, recordText, writePrivately } from "../store/records.ts";
import { loadModules } from "./runtime.ts";

const CONFIG = new URL("../../deno.json", import.meta.url);
/** In a stage's test these modules may come from an address, and need no settings there. */
const SETTINGS = CONFIG.protocol === "file:"
  ? ["--cached-only", `--config=${fileURLToPath(CONFIG)}`]
  : ["--no-config", "--no-lock"];

/** In bytes. CUDA's libraries alone take more than 2 GiB. */
const MEMORY = 16 * 2 ** 30;

/** Lets a device compute in a process of its own, with limits on its time and memory. */
export async function runTrial({ program, args, timeoutMs, judge }: DeviceTrial): Promise<DeviceTrouble | undefined> {
  const flags = ["-A", "--quiet", "--no-prompt", "--no-check", ...SETTINGS];
  const { stdout, said } = await loadModules(["run", ...flags, program, ...args], { timeoutMs, memory: MEMORY });
  // Drivers may print anything, and their words are shown and kept.
  return judge(stdout, said.replaceAll(/[^\P{C}\n]/gu, "?"));
}

const tried = new Map<string, Promise<DeviceTrouble | undefined>>();

export interface TryOptions {
  /** True to repeat the trial, whatever its earlier verdict was. */
  readonly again?: boolean;
  /** The folder in which verdicts are kept. */
  readonly folder?: string;
}

/** Tries a device. The verdict is kept for this device and machine, so that only the first run pays for the trial. */
export function tryDevice(trial: DeviceTrial, { again = false, folder = userFolder("devices") }: TryOptions = {}) {
  const of = [trial.of, Deno.version.deno, machineClass()].join(" ");
  const path = join(folder, `${sha256Of(of)}.json`);
  if (again) tried.delete(path);
  return tried.getOrInsertComputed(path, async () => {
    const kept = again || !isOwn(path) ? undefined : readRecord(path, deviceVerdictSchema);
    if (kept?.of === of) return kept.trouble ?? undefined;
    const trouble = await runTrial(trial);
    if (trouble?.passing === true) return trouble;
    const verdict = { of, trouble: trouble ?? null };
    writePrivately(path, () => writeAtomically(path, recordText(path, deviceVerdictSchema, verdict)));
    return trouble;
  });
}
