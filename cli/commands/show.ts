import { actionsOf, getPath, leavesIn, type Pipeline } from "noiseline/core";
import { type AnyCommand, type CliSettings, pipelineCommand, printingAnswer } from "../command.ts";
import { styleFor } from "../io.ts";
import { loadForCommand } from "../open.ts";

const EXAMPLES = `
  deno task show pipelines/digits.yaml
  deno task show pipelines/digits.yaml --set vars.size=8`;

/** `show FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("show", EXAMPLES).action(printingAnswer(async (file, options) => {
    const { pipeline } = await loadForCommand(settings, { file, ...options });
    const values = [...listValues(pipeline)].map(({ path, ...rest }) => ({ path: path.join("."), ...rest }));
    const left = values.map(({ path, value }) => `${path}: ${JSON.stringify(value)}`);
    const width = Math.min(60, Math.max(...left.map((text) => text.length)));
    const { dim } = styleFor();
    return {
      data: { pipeline: pipeline.name, values },
      lines: values.map(({ origin }, i) => `${left[i]!.padEnd(width)}  ${dim(`# ${origin.join(" <- ")}`)}`),
    };
  }));
}

/** Shown for params of a stage that is the best of a search, or in one of its rungs: a run finds them. */
const BY_SEARCH = "(decided by the search)";
/** Elements of a path before those in `with`: `stages`, the stage and `with`. */
const IN_WITH = 3;

/** Lists every value of a pipeline after overrides, interpolation and defaults. */
function* listValues({ name, seed, stages, origins }: Pipeline) {
  yield* leavesIn(["name"], name, origins);
  yield* leavesIn(["seed"], seed, origins);
  for (
    const { view, stage: { id, entry, kind, inputs, params, resources, slot }, division } of actionsOf(stages.values())
  ) {
    if (view === undefined || id !== entry) continue;
    const read = Object.entries(inputs).map(([port, bindings]) => {
      const texts = bindings.map((binding) => `${binding.stage}.${binding.port}`);
      return [port, kind.inputs[port]!.list === true ? texts : texts[0]];
    });
    const said = { uses: kind.name, inputs: Object.fromEntries(read), with: params, resources, ...division };
    const trials = slot === undefined
      ? []
      : [...stages.values()].filter((one) => one.id.startsWith(`${slot.of}~trial=`));
    for (const leaf of leavesIn(["stages", id], said, origins)) {
      const own = trials.map(({ params }) => JSON.stringify(getPath(params, leaf.path.slice(IN_WITH)).value));
      yield leaf.path[2] === "with" && new Set(own).size > 1 ? { ...leaf, value: BY_SEARCH } : leaf;
    }
  }
}
