import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of the toolkit itself, which runs from files (see `cli/package.ts`). */
export const TOOLKIT_ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

export const TOOLKIT_CONFIG: string = join(TOOLKIT_ROOT, "deno.json");
export const TOOLKIT_LOCK: string = join(TOOLKIT_ROOT, "deno.lock");

/** The module through which a worker comes back into the engine. */
export const WORKER_MODULE: string = new URL("../../stages/worker.ts", import.meta.url).href;

/** The module that finds what a stage computes on. */
export const DEVICE_MODULE: string = new URL("../../stages/shared/device.ts", import.meta.url).href;
