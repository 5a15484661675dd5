import { totalmem } from "node:os";
import { readTextIfThere } from "../store/reading.ts";

const UNIT_BYTES = { MB: 1e6, GB: 1e9, MiB: 1 << 20, GiB: 1 << 30 } as const;

/** Bytes of `500MB`, `2GiB` and the like, as the schema of resources allows them. */
export function parseMemory(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(MB|GB|MiB|GiB)$/.exec(text);
  if (match === null) throw new Error(`Cannot happen: ${text} is no amount of memory`);
  return Number(match[1]) * UNIT_BYTES[match[2] as keyof typeof UNIT_BYTES];
}

export function formatMemory(bytes: number): string {
  return bytes >= 1 << 30 ? `${(bytes / (1 << 30)).toFixed(1)} GiB` : `${Math.round(bytes / (1 << 20))} MiB`;
}

/** Memory of this machine, or of the container that it is cut down to. */
function machineMemory(): number {
  const limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
    .map((path) => Number.parseInt(readTextIfThere(path) ?? "", 10)).filter((limit) => limit > 0);
  return Math.min(totalmem(), ...limits);
}

let fallback: number | undefined;

/**
 * What a custom stage may take that declares nothing: three quarters of the machine. Beyond that the kernel would begin
 * to kill, and might well choose the engine.
 */
export function defaultMemoryLimit(): number {
  return fallback ??= Math.floor(machineMemory() * 0.75);
}

/** Memory that a process holds, in RAM and swapped out. Undefined where it cannot be told, or the process is gone. */
async function heldBytes(pid: number): Promise<number | undefined> {
  if (Deno.build.os === "linux") {
    const status = readTextIfThere(`/proc/${pid}/status`) ?? "";
    const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0);
    return (kilobytes("VmRSS") + kilobytes("VmSwap")) * 1024;
  }
  if (Deno.build.os === "windows") return undefined;
  const args = ["-o", "rss=", "-p", String(pid)];
  const { stdout } = await new Deno.Command("ps", { args, stderr: "null", signal: AbortSignal.timeout(5_000) })
    .output();
  return Number(new TextDecoder().decode(stdout).trim()) * 1024;
}

/** A look costs some 30 µs on Linux, and a process elsewhere. */
const INTERVAL_MS = Deno.build.os === "linux" ? 100 : 1_000;

/**
 * Watch what a process holds, as typed arrays and native code take memory that no limit of V8 counts.
 * @param onOver called once, when it is over the limit
 * @returns stops watching
 */
export function watchMemory(pid: number, limit: number, onOver: (held: number) => void): () => void {
  let looking = false;
  const timer = setInterval(async () => {
    if (looking) return;
    looking = true;
    const held = await heldBytes(pid).catch(() => undefined);
    looking = false;
    if (held === undefined || held <= limit) return;
    clearInterval(timer);
    onOver(held);
  }, INTERVAL_MS);
  return () => clearInterval(timer);
}
