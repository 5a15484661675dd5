import { join } from "node:path";
import { makeDurableFolder } from "../store/folders.ts";
import { copyState, newestSavedStep, progressFolder, removeState, savedSteps } from "../store/progress.ts";
import { entriesOf } from "../store/reading.ts";
import { allowWritesBelow } from "../store/write_roots.ts";
import { explainIoError, ignoreIoErrors } from "../store/io_errors.ts";

const KEPT = 2;
/** The most states that are tried: whoever writes to the cache must not keep a job busy with invalid states. */
const TRIED = 16;

interface Place {
  readonly identityKey: string;
  readonly numerics: string | undefined;
  /** The wanted extent: states beyond it belong to longer runs. */
  readonly limit: number;
  /** The folder in which the stage saves and reads its states on this node. */
  readonly progress: string;
  /** Called with the step of each state that is in the cache. */
  readonly onSent?: (step: number) => void;
}

/**
 * The states of one stage in the shared cache, over all attempts at it. Each attempt writes to a folder of its own, so
 * that an attempt that lives on beside the next one does no harm; the next one continues from what any of them has
 * saved.
 */
export class SharedStates {
  readonly #root: string;
  readonly #own: string;
  #wanted: number | undefined;
  #sending = Promise.resolve();
  #sent = 0;
  /** Why the last state could not be sent. */
  problem: string | undefined;

  /** @param states the root of all states in the cache @param attempt a name that no other attempt has */
  constructor(states: string, attempt: string, private readonly place: Place) {
    this.#root = progressFolder(states, place.identityKey, place.numerics);
    this.#own = join(this.#root, attempt);
    allowWritesBelow(states);
    allowWritesBelow(place.progress);
  }

  /** Copies the newest intact state to this node. @returns the step that the stage continues from */
  async download(): Promise<number> {
    const { progress, limit } = this.place;
    const here = newestSavedStep(progress, limit) ?? 0;
    for (const { folder, step } of this.#all().slice(0, TRIED)) {
      if (step <= here) break;
      if (await copyState(folder, progress, step)) return step;
    }
    return here;
  }

  /**
   * Copies a state that was just saved, while the stage goes on. If several are saved meanwhile, only the last one is
   * copied.
   */
  send(step: number): void {
    this.#wanted = step;
    this.#sending = this.#sending.then(() => this.#send());
  }

  /** Waits until all states are sent. @returns the newest step of this attempt that is in the cache, or 0 */
  async settle(): Promise<number> {
    await this.#sending;
    return this.#sent;
  }

  async #send(): Promise<void> {
    const step = this.#wanted;
    this.#wanted = undefined;
    // A later state was sent in its place.
    if (step === undefined) return;
    try {
      makeDurableFolder(this.#own);
      if (!await copyState(this.place.progress, this.#own, step)) return;
      this.#sent = step;
      this.place.onSent?.(step);
      this.problem = undefined;
      for (const old of this.#all().slice(KEPT)) ignoreIoErrors(() => removeState(old.folder, old.step));
    } catch (error) {
      // A full cache costs the state, not the stage.
      this.problem = explainIoError(error)?.message;
      if (this.problem === undefined) throw error;
    }
  }

  /** Lists the states of all attempts, newest first. A state that is still being written has no name yet. */
  #all(): { readonly folder: string; readonly step: number }[] {
    const found = entriesOf(this.#root).filter(({ isDirectory }) => isDirectory).flatMap(({ name }) => {
      const folder = join(this.#root, name);
      const steps = savedSteps(folder).filter((step) => step > 0 && step <= this.place.limit);
      return steps.map((step) => ({ folder, step }));
    });
    return found.sort((a, b) => b.step - a.step);
  }
}
