import { delay } from "@std/async";
import { hostname } from "node:os";
import { z } from "zod";
import type { Answer } from "./backend.ts";
import type { CacheClient } from "./client.ts";
import { claimName, contentOf, resultName, seal, unseal } from "./layout.ts";
import { unlessReadable } from "../io_errors.ts";
import { isRunning } from "../run_ids.ts";

const claimSchema = z.strictObject({
  /** Unique; for a run on Linux its machine and process id stand first, so that a run after a kill need not wait. */
  owner: z.string(),
  /** The machine or the job that computes, as others show it. */
  host: z.string().max(300),
  /** Incremented while the work goes on; negative once it has ended. */
  beat: z.int(),
});
type Claim = z.output<typeof claimSchema>;

/** A claim is renewed at every second look of those who wait, and expires after this many looks without a change. */
const LOOKS_PER_BEAT = 2;
const MOST_UNCHANGED = 9;
/** The first looks come sooner, as the work may be short: after this part of the usual pause, then after twice that. */
const FIRST_LOOK = 1 / 64;
/** A claim that could not be written has cost its stage a wait, so that for this long no other is written. */
const PAUSE_MS = 60_000;

/**
 * Returns a name of this machine since it was started, and within the machine of the processes that see each other by
 * their ids; undefined where the system does not tell.
 */
function nameMachine(): string | undefined {
  const boot = "/proc/sys/kernel/random/boot_id";
  return unlessReadable(() => Deno.readTextFileSync(boot).trim() + Deno.readLinkSync("/proc/self/ns/pid"), undefined);
}

/** A claim that this process holds, until the claim is disposed of or its result is sent. */
export interface HeldClaim extends AsyncDisposable {
  /** Keeps the claim until `end` has settled, even after the claim is disposed of. */
  until(end: Promise<unknown>): void;
}

/** Stands in for a claim where none can be made, or where none would help. */
export const NO_CLAIM: HeldClaim = { until: () => {}, [Symbol.asyncDispose]: () => Promise.resolve() };

/**
 * Tells other runs and jobs that share a cache who computes a key now, so that they do not compute it, too. A claim is
 * a hint that saves work: no result relies on it, as the first result to be published stays. No clocks are compared,
 * since those of machines differ: whoever waits counts how often a claim was found unchanged.
 */
export class WorkClaims {
  readonly #self: Pick<Claim, "owner" | "host">;
  readonly #machine = nameMachine();
  /** Claims that have not changed for too long, by key. */
  readonly #dead = new Map<string, string>();
  #prepared: Promise<Answer<unknown>> | undefined;
  /** Until when no claims are made. */
  #pausedUntil = 0;

  constructor(private readonly client: CacheClient) {
    const owner = `${this.#machine} ${Deno.pid} ${crypto.randomUUID()}`;
    this.#self = client.options.claimant ?? { owner, host: hostname() };
  }

  /** @returns the claim; `published` if the result has been published meanwhile; else the claim of another machine */
  async take(key: string): Promise<HeldClaim | "published" | Claim> {
    if (performance.now() < this.#pausedUntil) return NO_CLAIM;
    const seen = await this.#read(key);
    if (seen !== undefined && await this.#isPublished(key)) return "published";
    if (seen !== undefined && this.#counts(key, seen)) return seen;
    // Nothing is made in place of a missing mount.
    this.#prepared ??= this.client.prepare();
    if ("trouble" in await this.#prepared) return NO_CLAIM;
    if (!await this.#write(key, 0, seen !== undefined)) {
      this.#pausedUntil = performance.now() + PAUSE_MS;
      return NO_CLAIM;
    }
    // If several machines found the key free, the last to write holds the claim; in some storage, the first.
    const now = await this.#read(key);
    return now === undefined || !this.#counts(key, now) ? this.#hold(key) : now;
  }

  /** Waits until a result is published, or its claim is given up or no longer changes. */
  async wait(key: string, claim: Claim, stop: AbortSignal): Promise<void> {
    let last = claim;
    const { lookMs } = this.client.patience;
    for (let unchanged = 0, ms = FIRST_LOOK * lookMs; unchanged < MOST_UNCHANGED; ms = Math.min(lookMs, 2 * ms)) {
      await delay(ms, { signal: stop }).catch(() => {});
      if (stop.aborted || await this.#isPublished(key)) return;
      const seen = await this.#read(key);
      if (seen === undefined || !this.#counts(key, seen)) return;
      // Between the first looks a claim that is held need not have changed.
      unchanged = JSON.stringify(seen) === JSON.stringify(last) ? unchanged + Number(ms === lookMs) : 0;
      last = seen;
    }
    this.#dead.set(key, JSON.stringify(last));
  }

  #hold(key: string): HeldClaim {
    let beat = 0;
    const ends: Promise<unknown>[] = [];
    // One write after the other, or a late one would bring back a claim that was given up.
    let writing: Promise<unknown> = Promise.resolve();
    const tell = (beat: number) => writing = writing.then(() => this.#write(key, beat, true));
    const timer = setInterval(() => tell(++beat), LOOKS_PER_BEAT * this.client.patience.lookMs);
    Deno.unrefTimer(timer);
    const giveUp = async () => {
      clearInterval(timer);
      await tell(-1);
    };
    return {
      until: (end) => void ends.push(end),
      [Symbol.asyncDispose]: async () => {
        if (ends.length === 0) await giveUp();
        else Promise.allSettled(ends).then(giveUp);
      },
    };
  }

  #counts(key: string, claim: Claim): boolean {
    const { owner, beat } = claim;
    return owner !== this.#self.owner && beat >= 0 && !this.#isGone(owner) &&
      JSON.stringify(claim) !== this.#dead.get(key);
  }

  /** True if a claim was made by a process of this machine that has ended. */
  #isGone(owner: string): boolean {
    const [machine, pid] = owner.split(" ");
    return this.#machine !== undefined && machine === this.#machine && !isRunning(Number(pid));
  }

  async #isPublished(key: string): Promise<boolean> {
    const size = await this.client.size(resultName(key));
    return "value" in size && size.value !== undefined;
  }

  async #read(key: string): Promise<Claim | undefined> {
    const content = await this.client.read(claimName(key));
    const unsealed = content && unseal(content, claimSchema);
    return unsealed !== undefined && "record" in unsealed ? unsealed.record : undefined;
  }

  /**
   * Writes a claim. Failures are not reported: without a claim a key may be computed twice, which is better than not at
   * all.
   * @returns false if the claim could not be written
   */
  async #write(key: string, beat: number, replace: boolean): Promise<boolean> {
    const claim: Claim = { ...this.#self, beat };
    const answer = await this.client.create(claimName(key), contentOf(seal(claim)), replace);
    return !("trouble" in answer);
  }
}
