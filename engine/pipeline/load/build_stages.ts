import type { StageEntry } from "../../../schemas/pipeline_file.ts";
import type { DocumentPath, Origins } from "../../diagnostic/document.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import type { ParamIssue } from "../../../schemas/param_issue.ts";
import type { Binding, Kind, Slot, Stage } from "../../keys/stage.ts";
import { shorterOf } from "../../keys/action.ts";
import { extentParam, hasCurve, predecessorsOf, withThreads } from "../../keys/stage.ts";
import { addIssues, type Advise } from "../../diagnostic/schema_issues.ts";
import { CURVE_PORT } from "../../../schemas/log.ts";
import { acceptsArtifact, wantedText } from "../../../schemas/artifacts.ts";
import type { InputPort, OutputPorts } from "../../contract/stage.ts";
import { didYouMean, suggestName } from "../../../std/did_you_mean.ts";
import {
  INPUT,
  nodeIdOf,
  parseReference,
  parseStageId,
  type Reference,
  type ReferenceText,
  stageIdOf,
  textsAt,
} from "../compose/reference.ts";

/** The output of stages that run user code which is there if they report figures. It has to be named. */
const CURVE: OutputPorts = { [CURVE_PORT]: { type: "log", description: "" } };
const readsCurve = (source: Kind, { port }: Reference) => port === CURVE_PORT && hasCurve(source);

const UNKNOWN = { code: "unknown-stage" } as const;
const WANTED = "stage, stage.port, stage@extent.port or stage~axis=value.port";

/**
 * Binds the inputs of one stage to outputs of others, checking names and artifact types. If the kind of the stage is
 * not known, only the references are checked.
 * @param kinds the kinds of all stages, where they are known
 * @param names the names of the stages in the file
 * @param reads for each reference in the file, the stage that reads and the stage that is read
 * @param whole true if the stage still has all the inputs that the file gives it
 * @param given names of what another pipeline gives to this one, as `inputs.name`; nothing else is known of these
 * @returns as `variants` the references to stages at another extent, each of which asks for a derived stage
 */
export function bindInputs(
  id: string,
  entry: Pick<StageEntry, "inputs" | "needs">,
  { kinds, names, reads, whole, given, problems, at = ["stages", id, "inputs"] }: {
    readonly kinds: ReadonlyMap<string, Kind | undefined>;
    readonly names: readonly string[];
    readonly reads: readonly { readonly reader: string; readonly read: string | undefined }[];
    readonly whole: boolean;
    readonly given: readonly string[];
    readonly problems: Problems;
    readonly at?: DocumentPath;
  },
) {
  const kind = kinds.get(id);
  const inputs: Record<string, Binding[]> = Object.create(null);
  const variants: { stage: string; extent: number }[] = [];
  const misspelt = new Set<string>();
  const unbound = new Set<string>();

  const resolvePort = (
    { text, at: path }: ReferenceText,
    reference: Reference,
    port: InputPort,
  ): Binding | undefined => {
    const source = kinds.get(stageIdOf(reference))!;
    const outputs = Object.entries(readsCurve(source, reference) ? CURVE : source.outputs);
    const node = nodeIdOf(reference);
    const wanted = wantedText(port.type);
    const named = outputs.filter(([name]) => name === (reference.port ?? name));
    const exact = named.filter(([, output]) => [port.type].flat().includes(output.type));
    const fitting = exact.length > 0 ? exact : named.filter(([, output]) => acceptsArtifact(port.type, output.type));
    if (fitting.length === 1) return { stage: node, port: fitting[0]![0], type: fitting[0]![1].type };
    if (fitting.length === 0) {
      const [message, fix] = reference.port === undefined
        ? [
          `stage "${reference.stage}" (${source.name}) has no output that fits this input`,
          "name a stage with an output of the wanted type",
        ]
        : [`"${text}" has the wrong type for this input`, "name an output of the wanted type"];
      const got = named.map(([name, output]) => `${name}: ${output.type}`).join(", ") || "no outputs";
      return problems.add(path, message, fix, { code: "wrong-artifact", got, wanted });
    }
    const fix = `write ${fitting.map(([name]) => `${reference.stage}.${name}`).join(" or ")}`;
    return problems.add(path, `"${text}" could mean several outputs`, fix, { code: "ambiguous-port", wanted });
  };

  const find = ({ text, at: path }: ReferenceText, wanted: string): Reference | undefined => {
    const reference = parseReference(String(text));
    if (reference === undefined) {
      const details = { code: "bad-reference", wanted } as const;
      const [name, sign] = /^[^@.~\s]*|[@.~]/g[Symbol.match](String(text)) ?? [];
      // If the stage name is known, the text after it is wrong, unless the name itself is refused.
      const fix = !names.includes(name!)
        ? suggestName(name!, names)
        : parseReference(name!) === undefined
        ? `rename stage "${name}", and write its new name`
        : sign === "@"
        ? `write a whole number after ${name}@, or ${name} alone`
        : `write ${name}, or ${name}.port`;
      return problems.add(path, `"${text}" is not a reference`, fix, details);
    }
    const stage = stageIdOf(reference);
    if (!kinds.has(stage)) {
      const own = given.length === 0 ? undefined : INPUT.exec(String(text))?.[1];
      if (own !== undefined && given.includes(own)) return undefined;
      if (own !== undefined) {
        return problems.add(path, `"${text}": the pipeline is not given an input "${own}"`, suggestName(own, given));
      }
      const near = didYouMean(reference.stage, names);
      const count = new Set(reads.filter(({ read }) => read === reference.stage).map(({ reader }) => reader)).size;
      if (near !== undefined && count > 1 && !reads.some(({ read }) => read === near)) {
        const message = `there is no stage "${stage}", which ${count} stages read, and none reads "${near}"`;
        return problems.add(["stages", near], message, `rename "${near}" to "${stage}"`, { ...UNKNOWN, target: "key" });
      }
      return problems.add(path, `there is no stage "${stage}"`, suggestName(reference.stage, names), UNKNOWN);
    }
    const source = kinds.get(stage);
    if (source === undefined) return undefined;
    if (
      reference.port !== undefined && !Object.hasOwn(source.outputs, reference.port) && !readsCurve(source, reference)
    ) {
      const message = `stage "${reference.stage}" (${source.name}) has no output "${reference.port}"`;
      const fix = suggestName(reference.port, Object.keys(source.outputs));
      return problems.add(path, message, fix, { code: "unknown-port" });
    }
    if (reference.extent !== undefined) {
      if (extentParam(source) === undefined) {
        const message =
          `stage "${reference.stage}" (${source.name}) has no extent, so @${reference.extent} has no meaning`;
        return problems.add(path, message, `write ${reference.stage}`, { code: "bad-reference" });
      }
      variants.push({ stage, extent: reference.extent });
    }
    return reference;
  };

  for (const [name, value] of Object.entries(entry.inputs)) {
    const path = [...at, name];
    const texts = textsAt(value, path);
    if (kind === undefined) {
      for (const one of texts) find(one, WANTED);
      continue;
    }
    const port = Object.hasOwn(kind.inputs, name) ? kind.inputs[name] : undefined;
    if (port === undefined) {
      const meant = didYouMean(name, Object.keys(kind.inputs));
      if (meant !== undefined) misspelt.add(meant);
      const fix = suggestName(name, Object.keys(kind.inputs));
      problems.add(path, `${kind.name} has no input "${name}"`, fix, { code: "unknown-port", target: "key" });
      continue;
    }
    if (Array.isArray(value) && port.list !== true) {
      const details = { code: "bad-reference", got: `a list of ${value.length}`, wanted: "one reference" } as const;
      problems.add(path, `input "${name}" of ${kind.name} takes one artifact`, "name one output", details);
      continue;
    }
    inputs[name] = texts.flatMap((one) => {
      const reference = find(one, WANTED);
      const binding = reference && resolvePort(one, reference, port);
      if (binding === undefined) unbound.add(name);
      return binding ?? [];
    });
  }

  for (const [name, port] of whole ? Object.entries(kind?.inputs ?? {}) : []) {
    if (port.optional === true || Object.hasOwn(entry.inputs, name) || misspelt.has(name)) continue;
    const details = { code: "missing-input", target: "key", wanted: wantedText(port.type) } as const;
    const message = `stage "${id}" (${kind!.name}) needs input "${name}"`;
    problems.add(["stages", id], message, `add under inputs: ${name}: <stage>`, details);
  }
  // `needs` can only wait for the end of a whole stage.
  const needs = entry.needs === undefined ? [] : textsAt(entry.needs, ["stages", id, "needs"]).flatMap((one) => {
    const reference = find(one, "stage, stage@extent or stage~axis=value");
    if (reference?.port === undefined) return reference === undefined ? [] : [nodeIdOf(reference)];
    const message = `"${one.text}" in needs names an output; needs waits for whole stages`;
    const fix = `write ${nodeIdOf(reference)}, or read the output under inputs`;
    return problems.add(one.at, message, fix, { code: "bad-reference" }) ?? [];
  });
  const isOpen = Object.values(entry.inputs).flat().some((text) => INPUT.test(String(text)));
  // An artifact that is not found is reported already.
  if (!isOpen && unbound.size === 0) checkPairs(id, kind, inputs, problems);
  return { inputs, needs, variants };
}

/** Checks lists whose items belong together: they must be equally long and name the same children of a matrix. */
function checkPairs(id: string, kind: Kind | undefined, inputs: Stage["inputs"], problems: Problems): void {
  for (const [left, right] of kind?.pairs ?? []) {
    if (inputs[left] === undefined) continue;
    const [a, b] = [inputs[left], inputs[right] ?? []];
    const odd = a.findIndex((one, index) => !belongTogether(one.stage, b[index]?.stage));
    if (a.length === b.length && odd < 0) continue;
    const [got, wanted] = a.length === b.length
      ? [`${b[odd]!.stage} for ${a[odd]!.stage}`, "the same children of a matrix in both"]
      : [`${b.length} for ${a.length}`, `one for each of ${left}`];
    const message = `${right} of stage "${id}" do not go with its ${left}`;
    const fix = `name stages over the same axes under ${left} and ${right}`;
    problems.add(["stages", id, "inputs", right], message, fix, { code: "bad-reference", got, wanted });
  }
}

/** True if two stages differ on no axis of a matrix. */
function belongTogether(left: string, right: string | undefined): boolean {
  if (right === undefined) return false;
  const [a, b] = [parseStageId(left).select, parseStageId(right).select];
  return Object.entries(a).every(([axis, label]) => b[axis] === undefined || b[axis] === label);
}

/** Checks the params and binds the inputs of all stages whose kinds are known, at every extent that is asked for. */
export function buildStages(
  entries: ReadonlyMap<string, StageEntry>,
  kinds: ReadonlyMap<string, Kind | undefined>,
  { broken, seed, given, slots, trials, ...finding }: {
    /** Parts of stages that were taken out, or have no value; these are reported already. */
    readonly broken: ReadonlyMap<string, ReadonlySet<string>>;
    readonly seed: number;
    readonly given: readonly string[];
    /** The slots of searches, and the stages that are computed for each trial. */
    readonly slots: ReadonlyMap<string, Slot>;
    readonly trials: ReadonlySet<string>;
    readonly origins: Origins;
    readonly problems: Problems;
    readonly advise: Advise;
  },
) {
  const { problems } = finding;
  const outcomes = new Map([...entries].map(([id, entry]) => [id, kinds.get(id)?.validate(entry.with)]));
  // Without valid params, nothing is known of ports that depend on them.
  const ported = new Map([...kinds].map(([id, kind]): [string, Kind | undefined] => {
    const outcome = outcomes.get(id);
    if (kind?.portsFor === undefined) return [id, kind];
    return [id, outcome?.ok === true ? { ...kind, ...kind.portsFor(outcome.value) } : undefined];
  }));
  const stages = new Map<string, Stage>();
  const edges = new Map<string, string[]>();
  const wanted: { stage: string; extent: number }[] = [];
  // Children of a matrix count as one stage of the file.
  const nameOf = (id: string) => parseStageId(id).stage;
  const names = [...new Set([...entries.keys()].map(nameOf))];
  const reads = [...entries].flatMap(([id, { inputs }]) =>
    Object.values(inputs).flat().map((text) => ({ reader: nameOf(id), read: parseReference(text)?.stage }))
  );
  const file = { kinds: ported, names, reads, given, problems };

  for (const [id, entry] of entries) {
    const kind = ported.get(id);
    const at = ["stages", id, "with"];
    const outcome = outcomes.get(id);
    if (outcome?.ok) addIssues(roleIssues(kind!, outcome.value), at, finding);
    else if (outcome !== undefined && broken.get(id)?.has("with") !== true) addIssues(outcome.issues, at, finding);
    const bound = bindInputs(id, entry, { ...file, whole: broken.get(id)?.has("inputs") !== true });
    if (kind === undefined || outcome === undefined) continue;
    wanted.push(...bound.variants);
    if (entry.timeout !== undefined && kind.runs === "inline") {
      const message = `stage "${id}": ${kind.name} runs in the engine and takes milliseconds; it cannot have a timeout`;
      problems.add(["stages", id, "timeout"], message, "remove timeout", { target: "key" });
    }
    if (entry.shards !== undefined && kind.shards !== true) {
      const message = `stage "${id}": ${kind.name} cannot be computed in shards`;
      const how = kind.custom ? "write shards: true in its definition and compute by inParts" : "remove shards";
      problems.add(["stages", id, "shards"], message, how, { target: "key" });
    }
    const slot = slots.get(id);
    edges.set(id, predecessorsOf({ ...bound, ...slot && { slot } }));
    if (!outcome.ok) continue;
    const extentName = extentParam(kind);
    const { resources: declared = {} } = entry;
    // Only a job has several nodes: `withJobResources`.
    const { nodes = 1, ...here } = declared;
    const resources = { ...kind.resources, ...here };
    const tasks = kind.command && outcome.value["tasks"] as number | undefined;
    if (nodes > 1 && (tasks === undefined || tasks % nodes > 0)) {
      const message = kind.command === undefined
        ? `stage "${id}": ${kind.name} runs as one process, and uses one node`
        : `stage "${id}" says ${
          tasks === undefined ? "nothing of tasks" : `tasks: ${tasks}`
        }, which ${nodes} nodes share`;
      const fix = kind.command === undefined
        ? "remove nodes"
        : `write tasks: ${nodes} under with, or another multiple of ${nodes}: the processes of all nodes together`;
      problems.add(["stages", id, "resources", "nodes"], message, fix);
    }
    stages.set(id, {
      id,
      entry: id,
      kind,
      params: withThreads({ kind, params: outcome.value }, resources.cpu),
      facts: outcome.facts,
      extent: extentName === undefined ? undefined : outcome.value[extentName] as number,
      inputs: bound.inputs,
      needs: bound.needs,
      ...slot && { slot },
      ...trials.has(id) && { isTrial: true },
      seed: entry.seed ?? seed,
      resources,
      declared,
      timeoutMs: entry.timeout,
      retries: entry.retries,
      ...entry.shards !== undefined && entry.shards > 1 && { shards: entry.shards },
      workGflop: undefined,
    });
  }

  for (const [id, { of }] of slots) {
    const trials = id === of ? stages.keys().filter((one) => one.startsWith(`${id}~trial=`)) : [];
    if (new Set(trials.map((one) => stages.get(one)!.kind.version)).size <= 1) continue;
    const message =
      `the trials of stage "${id}" run different code, and stages that read the best would need to know it`;
    problems.add(["stages", id, "search", "over"], message, "compare files of code by a matrix");
  }

  for (const { stage: id, extent } of wanted) {
    const base = stages.get(id);
    const variantId = `${id}@${extent}`;
    if (base === undefined || stages.has(variantId)) continue;
    const name = extentParam(base.kind)!;
    const outcome = base.kind.custom ? undefined : base.kind.validate({ ...entries.get(id)!.with, [name]: extent });
    if (outcome?.ok === false) {
      addIssues(outcome.issues, ["stages", id, "with"], finding);
      continue;
    }
    stages.set(variantId, { ...base, id: variantId, params: { ...base.params, [name]: extent }, extent });
    edges.set(variantId, edges.get(id)!);
  }
  for (const { stage: id, port } of [...stages.values()].flatMap(({ inputs }) => Object.values(inputs).flat())) {
    const read = port === CURVE_PORT ? stages.get(id) : undefined;
    if (read !== undefined && hasCurve(read.kind)) stages.set(id, { ...read, isCurveRead: true });
  }
  // Stages that differ in extent alone share their progress, so the shorter goes first and the longer continues it.
  // This orders only the list; the scheduler makes the longer wait.
  for (const [id, before] of shorterOf(stages.entries().map(([id, stage]) => ({ id, stage })))) {
    edges.set(id, [...edges.get(id)!, before]);
  }
  return { stages, edges, kinds: ported };
}

/** Reports an extent that is not a positive whole number, whatever a custom stage's schema says. */
function roleIssues(kind: Kind, params: Readonly<Record<string, unknown>>): ParamIssue[] {
  const name = extentParam(kind);
  const input = name === undefined ? 1 : params[name];
  if (Number.isSafeInteger(input) && (input as number) > 0) return [];
  return [{ code: "custom", path: [name!], message: "a positive whole number, since it is an extent", input }];
}
