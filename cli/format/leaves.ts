import { leavesIn, type Pipeline } from "noiseline/core";
import type { ReportParam } from "noiseline/report";

/** Every value of a pipeline after overrides, interpolation and defaults, with the stage that it is of and its path within. */
export function listLeaves(pipeline: Pipeline) {
  const leaves: (ReportParam & { readonly stage: string | undefined; readonly within: string })[] = [];
  const add = (at: readonly string[], of: unknown) => {
    for (const { path, value, origin } of leavesIn(at, of, pipeline.origins)) {
      const stage = path[0] === "stages" ? path[1] : undefined;
      const within = path.slice(stage === undefined ? 0 : 2).join(".");
      leaves.push({ path: path.join("."), stage, within, value, origin });
    }
  };
  add(["name"], pipeline.name);
  add(["seed"], pipeline.seed);
  for (const stage of pipeline.stages.values()) {
    if (stage.id !== stage.entry) continue;
    const base = ["stages", stage.id];
    add([...base, "uses"], stage.kind.name);
    for (const [port, bindings] of Object.entries(stage.inputs)) {
      const texts = bindings.map((binding) => `${binding.stage}.${binding.port}`);
      add([...base, "inputs", port], stage.kind.inputs[port]!.list === true ? texts : texts[0]);
    }
    add([...base, "with"], stage.params);
    add([...base, "resources"], stage.resources);
    if (stage.parts !== undefined) add([...base, "shards"], stage.parts.length);
  }
  return leaves;
}
