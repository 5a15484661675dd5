import type { StageDevice } from "../../schemas/device.ts";
import type { Resources } from "../../schemas/pipeline_file.ts";
import type { Action } from "../keys/action.ts";
import { gpuCount } from "../keys/stage.ts";

/** The slots that an action takes while it runs. Its threads compute together: each of them waits for the slowest. */
export interface WantedSlots extends Resources {
  readonly threads?: number;
}

/**
 * Returns the slots that an action takes while it runs. One that computes on the CPU with a param `threads` takes as
 * many thread slots, or all if the param is not set. A program of the user's that has no card takes as many as it has
 * processors, or all: PyTorch starts a thread for each processor, and two such trainings at once take several times as
 * long as one after the other. Joining computes nothing, so it needs no card.
 * @param device the device that the action computes on, if it has one
 */
export function slotsOf(action: Pick<Action, "do" | "stage">, device?: Pick<StageDevice, "card">): WantedSlots {
  const { kind, params, resources } = action.stage;
  if (action.do === "join") return { ...resources, gpu: 0 };
  if (kind.command !== undefined && gpuCount(resources) === 0) {
    return { ...resources, threads: resources.cpu ?? Infinity };
  }
  const computes = kind.roles["threads"]?.role === "execution" && device?.card !== true;
  return computes ? { ...resources, threads: params["threads"] as number | undefined ?? Infinity } : resources;
}
