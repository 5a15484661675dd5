import type { StageEntry } from "../../../schemas/pipeline_file.ts";
import type { DocumentPath } from "../../diagnostic/document.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import type { Binding, Kind, Stage } from "../../keys/stage.ts";
import { extentParam, hasCurve } from "../../keys/stage.ts";
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
const BAD = { code: "bad-reference" } as const;
const WANTED = "stage, stage.port, stage@extent.port or stage~axis=value.port";

/** The names that references may have, and where problems with them go. */
interface Scope {
  /** The kinds of all stages, where they are known. */
  readonly kinds: ReadonlyMap<string, Kind | undefined>;
  /** The names of the stages in the file. */
  readonly names: readonly string[];
  /** For each reference in the file, the stage that reads and the stage that is read. */
  readonly reads: readonly { readonly reader: string; readonly read: string | undefined }[];
  /** Names of what another pipeline gives to this one, as `inputs.name`; nothing else is known of these. */
  readonly given: readonly string[];
  readonly problems: Problems;
}

/**
 * Binds the inputs of one stage to outputs of others, checking names and artifact types. If the kind of the stage is
 * not known, only the references are checked.
 * @param whole true if the stage still has all the inputs that the file gives it
 * @returns as `variants` the references to stages at another extent, each of which asks for a derived stage
 */
export function bindInputs(
  id: string,
  entry: Pick<StageEntry, "inputs" | "needs">,
  { whole, at = ["stages", id, "inputs"], ...scope }: Scope & { readonly whole: boolean; readonly at?: DocumentPath },
) {
  const { problems } = scope;
  const kind = scope.kinds.get(id);
  const inputs: Record<string, Binding[]> = Object.create(null);
  const variants: { stage: string; extent: number }[] = [];
  const find = (one: ReferenceText, wanted: string): Reference | undefined => {
    const reference = findReference(one, wanted, scope);
    if (reference?.extent !== undefined) variants.push({ stage: stageIdOf(reference), extent: reference.extent });
    return reference;
  };
  let isBound = true;
  for (const [name, value] of Object.entries(entry.inputs)) {
    const path = [...at, name];
    const port = kind && portFor(path, value, kind, problems);
    if (kind !== undefined && port === undefined) continue;
    const bindings = textsAt(value, path).map((one) => {
      const reference = find(one, WANTED);
      return reference && port && chooseOutput(one, reference, port, scope);
    });
    if (port === undefined) continue;
    inputs[name] = bindings.filter((one) => one !== undefined);
    isBound &&= inputs[name].length === bindings.length;
  }
  const ports = Object.keys(kind?.inputs ?? {});
  const meant = Object.keys(entry.inputs).map((name) => ports.includes(name) ? name : didYouMean(name, ports));
  for (const [name, port] of whole ? Object.entries(kind?.inputs ?? {}) : []) {
    if (port.optional === true || meant.includes(name)) continue;
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
    return problems.add(one.at, message, fix, BAD) ?? [];
  });
  const isOpen = Object.values(entry.inputs).flat().some((text) => INPUT.test(String(text)));
  // An artifact that is not found is reported already.
  if (!isOpen && isBound) checkPairs(id, kind, inputs, problems);
  return { inputs, needs, variants };
}

/** Returns the port for a value under `inputs`. */
function portFor(path: DocumentPath, value: unknown, kind: Kind, problems: Problems): InputPort | undefined {
  const name = String(path.at(-1));
  const port = Object.hasOwn(kind.inputs, name) ? kind.inputs[name] : undefined;
  if (port === undefined) {
    const fix = suggestName(name, Object.keys(kind.inputs));
    return problems.add(path, `${kind.name} has no input "${name}"`, fix, { code: "unknown-port", target: "key" });
  }
  if (!Array.isArray(value) || port.list === true) return port;
  const details = { ...BAD, got: `a list of ${value.length}`, wanted: "one reference" };
  return problems.add(path, `input "${name}" of ${kind.name} takes one artifact`, "name one output", details);
}

/** Parses a reference, whose stage, output and extent must exist if the stage's kind is known. */
function findReference(one: ReferenceText, wanted: string, scope: Scope): Reference | undefined {
  const { kinds, problems } = scope;
  const reference = parseReference(String(one.text));
  if (reference === undefined) return refuseText(one, wanted, scope);
  const stage = stageIdOf(reference);
  if (!kinds.has(stage)) return refuseStage(one, reference, scope);
  const source = kinds.get(stage);
  if (source === undefined) return undefined;
  const { port, extent } = reference;
  const named = `stage "${reference.stage}" (${source.name})`;
  if (port !== undefined && !Object.hasOwn(source.outputs, port) && !readsCurve(source, reference)) {
    const fix = suggestName(port, Object.keys(source.outputs));
    return problems.add(one.at, `${named} has no output "${port}"`, fix, { code: "unknown-port" });
  }
  if (extent === undefined || extentParam(source) !== undefined) return reference;
  return problems.add(one.at, `${named} has no extent, so @${extent} has no meaning`, `write ${reference.stage}`, BAD);
}

/** Reports a text that is no reference. */
function refuseText({ text, at }: ReferenceText, wanted: string, { names, problems }: Scope): undefined {
  const [name, sign] = /^[^@.~\s]*|[@.~]/g[Symbol.match](String(text)) ?? [];
  // If the stage name is known, the text after it is wrong, unless the name itself is refused.
  const fix = !names.includes(name!)
    ? suggestName(name!, names)
    : parseReference(name!) === undefined
    ? `rename stage "${name}", and write its new name`
    : sign === "@"
    ? `write a whole number after ${name}@, or ${name} alone`
    : `write ${name}, or ${name}.port`;
  return problems.add(at, `"${text}" is not a reference`, fix, { ...BAD, wanted });
}

/** Reports a reference to a stage that does not exist, unless another pipeline gives what the reference means. */
function refuseStage(
  { text, at }: ReferenceText,
  reference: Reference,
  { names, reads, given, problems }: Scope,
): undefined {
  const stage = stageIdOf(reference);
  const own = given.length === 0 ? undefined : INPUT.exec(String(text))?.[1];
  if (own !== undefined && given.includes(own)) return undefined;
  if (own !== undefined) {
    return problems.add(at, `"${text}": the pipeline is not given an input "${own}"`, suggestName(own, given));
  }
  const near = didYouMean(reference.stage, names);
  const count = new Set(reads.filter(({ read }) => read === reference.stage).map(({ reader }) => reader)).size;
  if (near !== undefined && count > 1 && !reads.some(({ read }) => read === near)) {
    const message = `there is no stage "${stage}", which ${count} stages read, and none reads "${near}"`;
    return problems.add(["stages", near], message, `rename "${near}" to "${stage}"`, { ...UNKNOWN, target: "key" });
  }
  return problems.add(at, `there is no stage "${stage}"`, suggestName(reference.stage, names), UNKNOWN);
}

/** Chooses the output that a reference to a stage means for an input: the only one of a type that the input takes. */
function chooseOutput(
  { text, at }: ReferenceText,
  reference: Reference,
  port: InputPort,
  { kinds, problems }: Scope,
): Binding | undefined {
  const source = kinds.get(stageIdOf(reference))!;
  const outputs = Object.entries(readsCurve(source, reference) ? CURVE : source.outputs);
  const wanted = wantedText(port.type);
  const named = outputs.filter(([name]) => name === (reference.port ?? name));
  const exact = named.filter(([, output]) => [port.type].flat().includes(output.type));
  const fitting = exact.length > 0 ? exact : named.filter(([, output]) => acceptsArtifact(port.type, output.type));
  const [only, other] = fitting;
  if (only === undefined) {
    const [message, fix] = reference.port === undefined
      ? [
        `stage "${reference.stage}" (${source.name}) has no output that fits this input`,
        "name a stage with an output of the wanted type",
      ]
      : [`"${text}" has the wrong type for this input`, "name an output of the wanted type"];
    const got = named.map(([name, output]) => `${name}: ${output.type}`).join(", ") || "no outputs";
    return problems.add(at, message, fix, { code: "wrong-artifact", got, wanted });
  }
  if (other === undefined) return { stage: nodeIdOf(reference), port: only[0], type: only[1].type };
  const fix = `write ${fitting.map(([name]) => `${reference.stage}.${name}`).join(" or ")}`;
  return problems.add(at, `"${text}" could mean several outputs`, fix, { code: "ambiguous-port", wanted });
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
