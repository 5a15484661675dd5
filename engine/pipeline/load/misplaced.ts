import { stageSchema } from "../../../schemas/pipeline_file.ts";
import { adviceFor } from "../../../schemas/words.ts";
import type { Advise } from "../../diagnostic/schema_issues.ts";
import { asMap } from "../source/tree.ts";
import type { BuiltinKinds } from "./kinds.ts";

/**
 * Returns a function that says where an unknown key of a stage belongs: in `with` or beside it, or in the `with` of
 * another stage.
 * @param file the resolved file
 */
export function adviseOnPlaces(file: unknown, kinds: BuiltinKinds): Advise {
  const stages = Object.entries(asMap(asMap(file)["stages"]));
  const paramsOf = (stage: unknown) => Object.keys(kinds[String(asMap(stage)["uses"])]?.params.shape ?? {});
  return ([root, id, part, ...rest], key, { value, isSet, here }) => {
    if (root !== "stages" || id === undefined || rest.length > 0) return undefined;
    const own = stages.find(([other]) => other === id)?.[1];
    if (part === undefined) return paramsOf(own).includes(key) ? `did you mean "with.${key}"?` : undefined;
    if (part !== "with") return undefined;
    if (Object.hasOwn(stageSchema.shape, key)) {
      if (!isSet) return `write ${key} beside with, not in it`;
      const all = key === "seed" ? `write --set seed=${value}, the seed of the whole pipeline; or ` : "";
      return `${all}write ${key} in the file, beside the stage's with: --set changes only params`;
    }
    if (here !== undefined) return undefined;
    for (const [other, stage] of stages) {
      const names = paramsOf(stage);
      const advice = names.includes(key) ? `write ${key}` : adviceFor(key, names, value);
      if (advice !== undefined) return `in stage "${other}": ${advice}`;
    }
    return undefined;
  };
}
