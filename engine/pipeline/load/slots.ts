import type { ArtifactType } from "../../../schemas/artifacts.ts";
import type { StageEntry } from "../../../schemas/pipeline_file.ts";
import type { OutputPort } from "../../../contract/stage.ts";
import type { Kind } from "../../keys/kind.ts";
import { parseReference, stageIdOf } from "../compose/reference.ts";

/**
 * Give the kinds of stages with slots the outputs that their params ask for. What is wrong with params or references is
 * reported where those are checked; until then a stage has what can be made out.
 */
export function addSlots(
  entries: ReadonlyMap<string, StageEntry>,
  kinds: Map<string, Kind | undefined>,
): void {
  const done = new Set<string>();
  const add = (id: string): void => {
    const [entry, kind] = [entries.get(id), kinds.get(id)];
    if (entry === undefined || kind?.slots === undefined || done.has(id)) return;
    done.add(id);
    const { prefix, count, of } = kind.slots;
    const [first] = [entry.inputs[of] ?? []].flat();
    const reference = first === undefined ? undefined : parseReference(first);
    // What is chosen from may itself be a slot.
    if (reference !== undefined) add(stageIdOf(reference));
    const type = reference && typeOf(kinds.get(stageIdOf(reference)), reference.port);
    const outcome = kind.validate(entry.with);
    const wanted = outcome.ok ? outcome.params[count] : 0;
    if (type === undefined || typeof wanted !== "number") return;
    const outputs: Record<string, OutputPort> = { ...kind.outputs };
    for (let place = 1; place <= wanted; place++) {
      outputs[`${prefix}${place}`] = { type, description: `Number ${place} of the ranking` };
    }
    kinds.set(id, { ...kind, outputs });
  };
  for (const id of entries.keys()) add(id);
}

function typeOf(kind: Kind | undefined, port: string | undefined): ArtifactType | undefined {
  const outputs = Object.entries(kind?.outputs ?? {});
  const found = port === undefined
    ? outputs.length === 1 ? outputs[0] : undefined
    : outputs.find(([name]) => name === port);
  return found?.[1].type;
}
