import type { RunOf } from "../../contract/stage.ts";
import { readCheckpoint } from "../../artifacts/checkpoint.ts";
import { failedBy } from "../shared/failed.ts";
import { toDiffusers } from "./diffusers.ts";
import type { exportKind } from "./kind.ts";

const run: RunOf<typeof exportKind> = async ({ params, inputs, outputs }) => {
  const exported = toDiffusers(await readCheckpoint(inputs.checkpoint, params.weights));
  if ("problem" in exported) return failedBy(exported.problem);
  for (const [name, content] of Object.entries(exported.value)) await outputs.files.write(name, content);
  return undefined;
};

export default run;
