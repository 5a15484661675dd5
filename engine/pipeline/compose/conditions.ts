import { asMap, isRecord } from "../source/tree.ts";
import { inputsOf, mapReferences, stageIn } from "./reference.ts";

/**
 * Removes the stages whose `when` is false, and those that read them. A port that takes a list reads what is left; its
 * stage is only removed when nothing is left. `needs` passes no data, so a removed stage is not waited for.
 * @returns also the removed stages, each with the removed stage that it reads, or with none if its own condition is
 * false
 */
export function leaveOut(root: unknown) {
  const stages = asMap(asMap(root)["stages"]);
  const leftOut = new Map<string, { reads?: string }>();
  for (const [id, entry] of Object.entries(stages)) {
    if (isRecord(entry) && isFalse(entry["when"])) leftOut.set(id, {});
  }
  if (leftOut.size === 0) return { value: root, leftOut };
  // The stages that each port reads.
  const sources = new Map(
    Object.entries(stages).map(([id, entry]) => [
      id,
      Object.values(inputsOf(entry)).map((written) => [written].flat().map(stageIn)),
    ]),
  );
  const references = [...sources].flatMap(([id, ports]) => ports.flat().map((source) => ({ id, source })));
  const readers = Map.groupBy(references, ({ source }) => source);
  // Iterating over a map includes what is added on the way.
  for (const gone of leftOut.keys()) {
    for (const { id } of readers.get(gone) ?? []) {
      const lost = sources.get(id)!.find((port) => port.length > 0 && port.every((source) => leftOut.has(source)));
      if (lost !== undefined && !leftOut.has(id)) leftOut.set(id, { reads: lost[0]! });
    }
  }
  const kept = Object.entries(stages).filter(([id]) => !leftOut.has(id)).map(([id, entry]) => [
    id,
    isRecord(entry) ? mapReferences(entry, ({ text }) => leftOut.has(stageIn(text)) ? [] : [text]) : entry,
  ]);
  return { value: { ...root as object, stages: Object.fromEntries(kept) }, leftOut };
}

/** True if a condition is false. An invalid condition is not false: the schema reports it. */
function isFalse(condition: unknown): boolean {
  if (typeof condition === "boolean") return !condition;
  if (!isRecord(condition)) return false;
  const { all, value, in: values } = condition;
  if (Array.isArray(all)) return all.some(isFalse);
  return Array.isArray(values) && !values.includes(value);
}
