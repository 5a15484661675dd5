import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DeviceTrial, DeviceTrouble } from "../../contract/stage.ts";
import { deviceVerdictSchema } from "../../schemas/records.ts";
import { isOwn, userFolder } from "../../std/user_folder.ts";
import { writeAtomically } from "../store/files.ts";
import { machineClass } from "../store/machine.ts";
import { sha256Of } from "../store/reading.ts";
import { keepOwn, readRecord, recordText } from "../store/records.ts";
import { loadModules } from "./runtime.ts";

const CONFIG = new URL("../../deno.json", import.meta.url);
/** In the test of a stage these modules may come from an address, and are what they are without settings. */
const SETTINGS = CONFIG.protocol === "file:"
  ? ["--cached-only", `--config=${fileURLToPath(CONFIG)}`]
  : ["--no-config", "--no-lock"];

/** CUDA's libraries alone take more than two. */
const MEMORY = 16 * 2 ** 30;

/** Let a device compute in a process of its own, within bounds. */
export async function runTrial({ program, args, timeoutMs, judge }: DeviceTrial): Promise<DeviceTrouble | undefined> {
  const flags = ["-A", "--quiet", "--no-prompt", "--no-check", ...SETTINGS];
  const { stdout, said } = await loadModules(["run", ...flags, program, ...args], { timeoutMs, memory: MEMORY });
  // Drivers write what they like, and these words are shown and kept.
  return judge(stdout, said.replaceAll(/[^\P{C}\n]/gu, "?"));
}

const tried = new Map<string, Promise<DeviceTrouble | undefined>>();

export interface TryOptions {
  /** Whatever came of it before. */
  readonly again?: boolean;
  /** Where verdicts are kept. */
  readonly folder?: string;
}

/** What came of a trial is kept for this device and machine, so that only the first run pays for it. */
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
    keepOwn(path, () => writeAtomically(path, recordText(path, deviceVerdictSchema, verdict)));
    return trouble;
  });
}
