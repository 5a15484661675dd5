import type { CheckProblem, Facts } from "../../contract/stage.ts";
import type { Diagnostic } from "../../diagnostic/diagnostic.ts";
import { encode } from "../../keys/encode.ts";
import { keyParams } from "../../keys/keys.ts";
import { builtinVersion, extentParam, gpuCount, type Stage } from "../../keys/stage.ts";
import { leavesIn } from "../leaves.ts";
import { diagnosticAt, indirectOrigin, type Origins } from "../../diagnostic/document.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import { sha256Of } from "../../store/reading.ts";

/** Returns a problem that a kind finds with a stage as a diagnostic that points at the param or input. */
export function placeProblem(stage: Stage, problem: CheckProblem, origins: Origins): Diagnostic {
  const { message, fix, param, input, ...rest } = problem;
  const place = input !== undefined ? ["inputs", input] : param !== undefined ? ["with", ...param] : [];
  const path = ["stages", stage.entry, ...place];
  const origin = param === undefined ? undefined : indirectOrigin(origins, path);
  const target = param === undefined && input === undefined ? "key" : "value";
  const details = { ...rest, code: "check", origin, target } as const;
  return diagnosticAt(origins, path, `stage "${stage.id}": ${message}`, fix, details);
}

const NOWHERE = { explain: () => [] };

/** Returns the facts that hold for all artifacts of a port. */
function sharedFacts([first, ...rest]: readonly (Facts | undefined)[]): Facts | undefined {
  if (rest.length === 0 || first === undefined) return first;
  const told = Object.entries(first).filter(([name, fact]) => {
    return rest.every((other) => JSON.stringify(other?.[name]) === JSON.stringify(fact));
  });
  return Object.fromEntries(told);
}

/**
 * Lets every kind check its params against its future inputs, before anything runs. Facts flow along the edges; custom
 * kinds state none, and kinds check only what they are told.
 * @param stages in dependency order
 * @param folder the folder of the pipeline
 * @returns the stages with the facts that forecasts need
 */
export function checkFacts(
  stages: Iterable<Stage>,
  { origins, problems, folder, unsure }: {
    readonly origins: Origins;
    readonly problems: Problems;
    readonly folder: string;
    /** Entries with errors: facts about what they make would only lead to more errors, so none are stated. */
    readonly unsure: ReadonlySet<string>;
  },
): ReadonlyMap<string, Stage> {
  const facts = new Map<string, Readonly<Record<string, Facts>>>();
  // Stages that make the same artifacts, each by the name of the first of them.
  const [makers, alike] = [new Map<string, string>(), new Map<string, string>()];
  const makerOf = (id: string) => makers.get(id) ?? id;
  const checked = new Map<string, Stage>();
  // Returns a digest of what decides how long a stage takes, apart from its extent and the machine.
  const likenessOf = ({ kind, params, inputs }: Stage): string => {
    // The version of an interpreter may not be known yet.
    const apart = [extentParam(kind), "interpreter", ...kind.untimed ?? []];
    const own = Array.from(leavesIn([], params, NOWHERE), ({ path, value }) => [path.join("."), value] as const)
      .filter(([name]) => !apart.some((one) => name === one || name.startsWith(`${one}.`)));
    const read = Object.entries(inputs).map(([port, bindings]) => [
      port,
      bindings.map(({ stage, port: output }) => {
        const known = facts.get(stage)?.[output];
        // Facts with a count say how much there is to read; otherwise the stage that makes the input stands for it.
        const told = known?.["count"] === undefined ? [known, output, checked.get(stage)?.likeness] : known;
        return JSON.stringify(told, (name, value) => name === "stage" ? undefined : value);
      }),
    ]);
    // Editing user code mostly leaves its duration as it was: the file's path stands for it, among the params or by
    // itself.
    const version = kind.custom ? kind.name : builtinVersion(kind.version);
    return sha256Of(encode([version, Object.fromEntries(own), read])).slice(0, 16);
  };
  for (const stage of stages) {
    const likeness = likenessOf(stage);
    checked.set(stage.id, { ...stage, likeness });
    const { id, entry, kind, resources } = stage;
    const read = Object.entries(stage.inputs).map(([port, bindings]) => [
      port,
      bindings.map((one) => [makerOf(one.stage), one.port]),
    ]);
    const made = encode([
      kind.name,
      kind.version,
      keyParams(kind, stage.params),
      kind.seeded ? stage.seed : null,
      read,
    ]);
    makers.set(id, alike.getOrInsert(made, id));
    if (id === entry && kind.device !== undefined && gpuCount(resources) > 1) {
      const fix = "write gpu: 1; several GPUs serve several stages at once";
      const message =
        `stage "${id}" asks for several GPUs, and each device computes a stage on one: the others stand idle`;
      const details = { severity: "warning", code: "check", got: `${resources.gpu}` } as const;
      problems.addAll([diagnosticAt(origins, ["stages", entry, "resources", "gpu"], message, fix, details)]);
    }
    if (stage.kind.check === undefined || unsure.has(stage.entry)) continue;
    const inputs: Record<string, Facts | undefined> = {};
    for (const [port, bindings] of Object.entries(stage.inputs)) {
      inputs[port] = sharedFacts(bindings.map((binding) => {
        const known = facts.get(binding.stage)?.[binding.port];
        return known && { ...known, stage: makerOf(binding.stage) };
      }));
    }
    const { facts: stated, problems: found, ...known } = stage.kind.check(stage.params, inputs, stage.facts, folder);
    if (stated !== undefined) facts.set(stage.id, stated);
    checked.set(stage.id, { ...stage, likeness, ...known });
    // A stage at another extent would repeat the problems of its entry.
    if (stage.id === stage.entry) problems.addAll(found.map((problem) => placeProblem(stage, problem, origins)));
  }
  return checked;
}
