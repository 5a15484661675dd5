import { join } from "node:path";
import { readTextIfThere } from "../store/reading.ts";

/**
 * For each version of control groups: the files that give the memory limit and the memory in use, and the entry of
 * memory.stat that counts what the kernel may drop.
 */
const GROUPS = [
  { root: "/sys/fs/cgroup", limit: "memory.max", used: "memory.current", dropped: "inactive_file" },
  {
    root: "/sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    dropped: "total_inactive_file",
  },
];

/**
 * Returns the limits, in bytes, of the control groups that this process is in and of the groups above them, and what is
 * left of each.
 */
function groupLimits(): { readonly limit: number; readonly left: number }[] {
  const lines = (readTextIfThere("/proc/self/cgroup") ?? "").split("\n").map((line) => /^\d+:(.*?):(.*)$/.exec(line));
  return lines.flatMap((line) => {
    const [, controllers, path] = line ?? [];
    const version = controllers === "" ? GROUPS[0] : controllers?.split(",").includes("memory") ? GROUPS[1] : undefined;
    if (version === undefined) return [];
    const parts = path!.split("/").filter(Boolean);
    return Array.from({ length: parts.length + 1 }, (_, depth) => {
      // A container sees its own group at the root, whatever its path is called outside.
      const folder = join(version.root, ...parts.slice(0, depth));
      const text = (name: string) => readTextIfThere(join(folder, name)) ?? "";
      const limit = Number.parseInt(text(version.limit), 10);
      const dropped = new RegExp(`^${version.dropped} (\\d+)`, "m").exec(text("memory.stat"))?.[1] ?? 0;
      return { limit, left: limit - Number(text(version.used)) + Number(dropped) };
    }).filter(({ limit }) => limit > 0);
  });
}

/**
 * Returns the memory, in bytes, that this process and its children can ever hold: that of the machine, or the limit of
 * their control group.
 */
export function totalMemory(): number {
  return Math.min(Deno.systemMemoryInfo().total, ...groupLimits().map(({ limit }) => limit));
}

/** Returns the memory, in bytes, that is free for this process and its children now. */
export function freeMemory(): number {
  return Math.max(0, Math.min(Deno.systemMemoryInfo().available, ...groupLimits().map(({ left }) => left)));
}

/** Returns how many processes the kernel killed for want of memory since this machine started; undefined if unknown. */
export function memoryKills(): number | undefined {
  const found = /^oom_kill (\d+)/m.exec(readTextIfThere("/proc/vmstat") ?? "")?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Points out of 1,000 by which a process counts as larger when the kernel chooses a process to kill. */
const STAGES_COUNT_MORE = 300;

/**
 * Makes the kernel, if memory runs out, kill the given process rather than the run, which keeps what is done and says
 * why.
 */
export function raiseOomScore(pid: number): void {
  const own = readTextIfThere("/proc/self/oom_score_adj");
  try {
    if (own === undefined) return;
    Deno.writeTextFileSync(`/proc/${pid}/oom_score_adj`, `${Math.min(1_000, Number(own) + STAGES_COUNT_MORE)}`);
  } catch {
    // The process has ended already, or this process may not set its score; then the kernel chooses by size.
  }
}
