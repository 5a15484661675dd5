import type { DeviceFinding } from "../../stages/contract.ts";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import { placeProblem } from "../load/check_facts.ts";
import type { Origins } from "../load/origin.ts";
import type { Stage } from "../pipeline.ts";
import type { PlannedStage } from "./plan.ts";

/** What stages compute on. A stage is asked for its device once, when that is first needed. */
export class StageDevices {
  readonly #origins: Origins;
  /** By the stage itself: one that a selection decides on may be several, each with a device of its own. */
  readonly #found = new Map<Stage, DeviceFinding>();

  constructor(origins: Origins) {
    this.#origins = origins;
  }

  /** @returns whether something was learnt: false where all was known or no stage has a device */
  async find(stages: Iterable<Stage>): Promise<boolean> {
    const unknown = [...stages].filter((stage) => stage.kind.device !== undefined && !this.#found.has(stage));
    await Promise.all(unknown.map(async (stage) => this.#found.set(stage, await stage.kind.device!(stage.params))));
    return unknown.length > 0;
  }

  /** What was found for a stage; nothing for kinds without a device and for stages that were not asked. */
  of(stage: Stage): Pick<PlannedStage, "device" | "problem"> {
    const found = this.#found.get(stage);
    if (found === undefined) return {};
    if ("device" in found) return { device: found.device };
    const problem: Diagnostic = { ...placeProblem(stage, found.problem, this.#origins), code: "device" };
    return { problem };
  }
}
