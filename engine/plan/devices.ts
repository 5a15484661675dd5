import type { DeviceFinding } from "../contract/stage.ts";
import { diagnosticAt } from "../diagnostic/document.ts";
import type { Action } from "../keys/action.ts";
import type { Stage } from "../keys/stage.ts";
import { placeProblem } from "../pipeline/load/check_facts.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { tryDevice } from "../process/device_trial.ts";
import { savedNumerics } from "../store/progress.ts";
import type { Store } from "../store/store.ts";
import type { PlannedAction } from "./plan.ts";

/** The devices that the stages of a pipeline compute on, by stage, since its actions have the same. */
export class Devices {
  readonly #devices = new Map<Stage, DeviceFinding>();

  /** @param isRemote true if the stages run on other machines, so that the devices of this one mean nothing */
  constructor(
    private readonly pipeline: Pick<Pipeline, "origins">,
    private readonly store: Store,
    private readonly isRemote: boolean,
  ) {}

  /**
   * Finds the devices that actions compute on, each once, so that plans can name them.
   * @returns true if something was learnt; false if all was known or no stage has a device
   */
  async find(actions: Iterable<Action & Pick<PlannedAction, "keys">>): Promise<boolean> {
    if (this.isRemote) return false;
    const asking = [...actions].filter((one) => one.do === "compute" && one.stage.kind.device !== undefined);
    const unknown = new Set(asking.map(({ stage }) => stage)).difference(this.#devices);
    await Promise.all(Array.from(unknown, async (stage) => {
      const identityKey = asking.find((one) => one.stage === stage)?.keys?.identityKey;
      const saved = identityKey === undefined ? [] : savedNumerics(this.store.paths.progress, identityKey);
      const known = { workShape: stage.workShape, saved };
      this.#devices.set(stage, await stage.kind.device!(stage.params, tryDevice, known));
    }));
    return unknown.size > 0;
  }

  /** Returns what was found for an action; nothing for kinds without a device and for stages that were not examined. */
  of({ do: what, stage }: Action): Pick<PlannedAction, "device" | "problem"> {
    const { origins } = this.pipeline;
    const found = this.#devices.get(stage);
    // Joining computes nothing.
    if (found === undefined || what === "join") return {};
    if ("problem" in found) return { problem: { ...placeProblem(stage, found.problem, origins), code: "device" } };
    const { device } = found;
    if (device.card || stage.resources.gpu !== "required") return { device };
    const message = `stage "${stage.id}" requires a GPU, and none is available`;
    const how = device.warning?.fix ?? "set up the GPU (deno task doctor says how)";
    const details = { code: "device", got: `device ${device.name}: ${device.reason}` } as const;
    const fix = `${how}, or write gpu: 1 to compute without one`;
    return { problem: diagnosticAt(origins, ["stages", stage.entry, "resources", "gpu"], message, fix, details) };
  }
}
