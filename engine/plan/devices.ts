import type { DeviceFinding, StageDevice } from "../../contract/stage.ts";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import { placeProblem } from "../pipeline/load/check_facts.ts";
import type { Origins } from "../diagnostic/document.ts";
import { tryDevice } from "../process/device_trial.ts";
import type { Stage } from "../keys/stage.ts";
import { diagnosticAt } from "../diagnostic/document.ts";
import type { PlannedStage } from "./plan.ts";

/** What stages compute on. A stage is asked for its device once, when that is first needed. */
export class StageDevices {
  /** By the stage itself: one that a selection decides on may be several, each with a device of its own. */
  readonly #found = new Map<Stage, DeviceFinding>();

  constructor(private readonly origins: Origins) {}

  /** @returns whether something was learnt: false where all was known or no stage has a device */
  async find(stages: Iterable<Stage>): Promise<boolean> {
    const unknown = [...stages].filter((stage) => stage.kind.device !== undefined && !this.#found.has(stage));
    await Promise.all(unknown.map(async (stage) => {
      this.#found.set(stage, await stage.kind.device!(stage.params, tryDevice));
    }));
    return unknown.length > 0;
  }

  /** What was found for a stage; nothing for kinds without a device and for stages that were not asked. */
  of(stage: Stage): Pick<PlannedStage, "device" | "problem"> {
    const found = this.#found.get(stage);
    if (found === undefined) return {};
    if ("problem" in found) {
      return { problem: { ...placeProblem(stage, found.problem, this.origins), code: "device" } };
    }
    const { device } = found;
    return device.card || stage.resources.gpu !== "required" ? { device } : { problem: this.#noCard(stage, device) };
  }

  #noCard({ id, entry }: Stage, { name, reason, warning }: StageDevice): Diagnostic {
    const message = `stage "${id}" requires a GPU, and none is available`;
    const how = warning?.fix ?? "set up the GPU (deno task doctor says how)";
    const details = { code: "device", got: `device ${name}: ${reason}` } as const;
    const fix = `${how}, or write gpu: 1 to compute without one`;
    return diagnosticAt(this.origins, ["stages", entry, "resources", "gpu"], message, fix, details);
  }
}
