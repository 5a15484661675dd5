import { asMap, isRecord } from "../source/tree.ts";
import { inputsOf, mapReferences, parseReference, stageIdOf } from "./reference.ts";

/**
 * Take out the stages whose `when` is false, and those that read them. A port that takes a list reads what is left; only
 * when nothing is left does its stage go too. `needs` passes no data, so what is left out is not waited for.
 * @returns with the stages that are not there, each with the one that it reads, or none for its own condition
 */
export function leaveOut(root: unknown) {
  const stages = asMap(asMap(root)["stages"]);
  const leftOut = new Map<string, { reads?: string }>();
  for (const [id, entry] of Object.entries(stages)) {
    if (isRecord(entry) && isFalse(entry["when"])) leftOut.set(id, {});
  }
  if (leftOut.size === 0) return { value: root, leftOut };
  // What each port reads.
  const sources = new Map(
    Object.entries(stages).map(([id, entry]) => [
      id,
      Object.values(inputsOf(entry)).map((written) => [written].flat().map(stageIn)),
    ]),
  );
  const references = [...sources].flatMap(([id, ports]) => ports.flat().map((source) => ({ id, source })));
  const readers = Map.groupBy(references, ({ source }) => source);
  // A map gives what is added while it is walked through.
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

/** What is no condition is not false: the schema says so. */
function isFalse(condition: unknown): boolean {
  if (typeof condition === "boolean") return !condition;
  if (!isRecord(condition)) return false;
  const { all, value, in: values } = condition;
  if (Array.isArray(all)) return all.some(isFalse);
  return Array.isArray(values) && !values.includes(value);
}

/** The stage that a reference names; an empty text where there is no reference. */
function stageIn(text: unknown): string {
  const reference = typeof text === "string" ? parseReference(text) : undefined;
  return reference === undefined ? "" : stageIdOf(reference);
}
