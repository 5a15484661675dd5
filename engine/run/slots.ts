import { hostname } from "node:os";
import { join } from "node:path";
import type { WantedSlots } from "../plan/wanted_slots.ts";
import { gpuCount } from "../keys/stage.ts";
import type { Capacity } from "../plan/forecast.ts";
import { makeFolder } from "../store/files.ts";
import { tryExclusiveLock } from "../store/locks.ts";
import { allowWritesBelow } from "../store/write_roots.ts";
import { userFolder } from "../../std/user_folder.ts";

/** Slots that a stage holds while it runs. */
export interface HeldSlots extends Disposable {
  /** Ids of the GPUs that the stage may use. */
  readonly gpus: readonly string[];
  /** Frees the slots before the end of the scope. Does nothing with one job at a time, so that stages never overlap. */
  release(): void;
}

export interface SlotOptions extends Pick<Capacity, "jobs" | "cpus"> {
  /** Ids of the GPUs of this machine. */
  readonly gpus: readonly string[];
  /** The folder of GPU locks, shared by all runs of this user on this host. */
  readonly lockFolder?: string | undefined;
}

const GPU_POLL_MS = 500;
/** The resources that are counted within a run, not locked on the host. */
const COUNTED = ["jobs", "cpus", "threads"] as const;

/** Returns the ids of the NVIDIA devices of this machine, from their device files. */
export function findGpus(): string[] {
  try {
    return [...Deno.readDirSync("/dev")].map(({ name }) => /^nvidia(\d+)$/.exec(name)?.[1])
      .filter((id) => id !== undefined).sort((a, b) => Number(a) - Number(b));
  } catch {
    return [];
  }
}

/** Returns the resources that a run can use. */
export function capacityOf({ jobs, gpus = findGpus() }: { jobs?: number; gpus?: readonly string[] }): Capacity {
  const cpus = navigator.hardwareConcurrency;
  return { jobs: jobs ?? cpus, cpus, gpus: gpus.length };
}

/**
 * Shares resources among the stages of a run. CPU slots and jobs are counted in this run; GPUs are locked on the host,
 * so that two runs do not take the same GPU. A stage that asks for more than there is gets what there is. The threads
 * of computing stages add up to at most the number of processors, since more would wait for each other: beside a stage
 * that uses all of them only stages run that compute nothing.
 */
export class Slots {
  readonly #free: Record<typeof COUNTED[number], number>;
  /** Waiting stages: the longest wait is woken first, and a stage that needs more than is free lets others go ahead. */
  readonly #waiting = new Set<() => void>();

  constructor(private readonly options: SlotOptions) {
    this.#free = { jobs: options.jobs, cpus: options.cpus, threads: options.cpus };
  }

  /** Waits until all wanted slots are free and takes them. Undefined if `signal` fires first. */
  async take(wanted: WantedSlots, signal: AbortSignal): Promise<HeldSlots | undefined> {
    let resume = () => {};
    const wake = () => resume();
    // Slots of this run are tried again when some are given back; GPUs of another run are tried at intervals.
    const timer = gpuCount(wanted) > 0 ? setInterval(wake, GPU_POLL_MS) : undefined;
    signal.addEventListener("abort", wake);
    try {
      while (!signal.aborted) {
        const held = this.#tryTake(wanted);
        if (held !== undefined) return held;
        // Adding an entry that a set already has leaves the entry at its place in the line.
        this.#waiting.add(wake);
        await new Promise<void>((resolve) => resume = resolve);
      }
      return undefined;
    } finally {
      clearInterval(timer);
      signal.removeEventListener("abort", wake);
      this.#waiting.delete(wake);
    }
  }

  #tryTake(wanted: WantedSlots): HeldSlots | undefined {
    const [cpus, threads] = [wanted.cpu ?? 1, wanted.threads ?? 0].map((count) => Math.min(count, this.options.cpus));
    const taken = { jobs: 1, cpus: cpus!, threads: threads! };
    const gpu = Math.min(gpuCount(wanted), this.options.gpus.length);
    if (COUNTED.some((what) => this.#free[what] < taken[what])) return undefined;
    const cards = this.#lockGpus(gpu);
    if (cards === undefined) return undefined;
    for (const what of COUNTED) this.#free[what] -= taken[what];
    const held = new DisposableStack();
    held.defer(() => {
      for (const what of COUNTED) this.#free[what] += taken[what];
      for (const wake of this.#waiting) wake();
    });
    // The GPUs are given back before the others are woken.
    held.use(cards.locks);
    const release = () => {
      if (this.options.jobs > 1) held.dispose();
    };
    return { gpus: cards.ids, release, [Symbol.dispose]: () => held.dispose() };
  }

  #lockGpus(count: number): { readonly ids: readonly string[]; readonly locks: Disposable } | undefined {
    using locks = new DisposableStack();
    const ids: string[] = [];
    const folder = this.options.lockFolder ?? join(userFolder("slots"), hostname());
    if (count > 0) {
      allowWritesBelow(folder);
      makeFolder(folder);
    }
    for (const id of this.options.gpus) {
      const lock = ids.length < count ? tryExclusiveLock(join(folder, `gpu-${id}.lock`)) : undefined;
      if (lock === undefined) continue;
      locks.use(lock);
      ids.push(id);
    }
    return ids.length === count ? { ids, locks: locks.move() } : undefined;
  }
}
