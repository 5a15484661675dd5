import { acceptsArtifact, wantedText } from "../../../schemas/artifacts.ts";
import type { StageEntry } from "../../../schemas/pipeline_file.ts";
import type { InputPort } from "../../../contract/stage.ts";
import type { Diagnostic, Problem } from "../../diagnostic/diagnostic.ts";
import { didYouMean, suggestName } from "../../diagnostic/did_you_mean.ts";
import { extentParam, type Kind } from "../../keys/kind.ts";
import type { Binding } from "../../keys/stage.ts";
import { diagnosticAt, type DocumentPath } from "../../diagnostic/document.ts";
import type { Origins } from "../../diagnostic/document.ts";
import { nodeIdOf, parseReference, type Reference, stageIdOf } from "../compose/reference.ts";

const WANTED = "stage, stage.port, stage@extent.port or stage~axis=value.port";

/** What binding needs to know of the other stages: their kinds, where those are known. */
export type KindsById = ReadonlyMap<string, Kind | undefined>;

export interface Bound {
  readonly inputs: Readonly<Record<string, readonly Binding[]>>;
  readonly needs: readonly string[];
  /** References to a stage at another extent; each asks for a derived stage. */
  readonly variants: readonly { readonly stage: string; readonly extent: number }[];
  readonly problems: readonly Diagnostic[];
}

/**
 * Bind the inputs of one stage to outputs of others, checking names and artifact types. Of a kind that is not known,
 * only the references are checked.
 */
export function bindInputs(
  id: string,
  entry: StageEntry,
  kind: Kind | undefined,
  kinds: KindsById,
  origins: Origins,
): Bound {
  const problems: Diagnostic[] = [];
  const inputs: Record<string, Binding[]> = {};
  const variants: { stage: string; extent: number }[] = [];
  const misspelt = new Set<string>();

  const report = (
    path: DocumentPath,
    target: "key" | "value",
    problem: Problem,
  ): undefined => void problems.push(diagnosticAt(origins, path, problem, target));

  const resolvePort = (
    path: DocumentPath,
    text: string,
    reference: Reference,
    port: InputPort,
  ): Binding | undefined => {
    const source = kinds.get(stageIdOf(reference))!;
    const outputs = Object.entries(source.outputs);
    const node = nodeIdOf(reference);
    if (reference.port !== undefined) {
      const output = Object.hasOwn(source.outputs, reference.port) ? source.outputs[reference.port] : undefined;
      if (output === undefined) {
        return report(path, "value", {
          code: "unknown-port",
          message: `stage "${reference.stage}" (${source.name}) has no output "${reference.port}"`,
          fix: suggestName(reference.port, outputs.map(([name]) => name)),
        });
      }
      if (!acceptsArtifact(port.type, output.type)) {
        return report(path, "value", {
          code: "wrong-artifact",
          message: `"${text}" has the wrong type for this input`,
          got: output.type,
          wanted: wantedText(port.type),
          fix: "name an output of the wanted type",
        });
      }
      return { stage: node, port: reference.port, type: output.type };
    }
    const exact = outputs.filter(([, output]) => [port.type].flat().includes(output.type));
    const fitting = exact.length > 0 ? exact : outputs.filter(([, output]) => acceptsArtifact(port.type, output.type));
    if (fitting.length === 1) return { stage: node, port: fitting[0]![0], type: fitting[0]![1].type };
    if (fitting.length === 0) {
      return report(path, "value", {
        code: "wrong-artifact",
        message: `stage "${reference.stage}" (${source.name}) has no output that fits this input`,
        got: outputs.map(([name, output]) => `${name}: ${output.type}`).join(", ") || "no outputs",
        wanted: wantedText(port.type),
        fix: "name a stage with an output of the wanted type",
      });
    }
    return report(path, "value", {
      code: "ambiguous-port",
      message: `"${text}" could mean several outputs`,
      wanted: wantedText(port.type),
      fix: `write ${fitting.map(([name]) => `${reference.stage}.${name}`).join(" or ")}`,
    });
  };

  const find = (path: DocumentPath, text: string, wanted: string): Reference | undefined => {
    const reference = parseReference(text);
    if (reference === undefined) {
      return report(path, "value", {
        code: "bad-reference",
        message: `"${text}" is not a reference`,
        wanted,
        fix: "name a stage of this pipeline",
      });
    }
    const stage = stageIdOf(reference);
    if (!kinds.has(stage)) {
      return report(path, "value", {
        code: "unknown-stage",
        message: `there is no stage "${stage}"`,
        fix: suggestName(stage, [...kinds.keys()]),
      });
    }
    const source = kinds.get(stage);
    if (source === undefined) return undefined;
    if (reference.extent !== undefined) {
      if (extentParam(source) === undefined) {
        return report(path, "value", {
          code: "bad-reference",
          message: `stage "${reference.stage}" (${source.name}) has no extent, so @${reference.extent} has no meaning`,
          fix: `write ${reference.stage}`,
        });
      }
      variants.push({ stage, extent: reference.extent });
    }
    return reference;
  };

  const resolve = (path: DocumentPath, text: string, port: InputPort): Binding | undefined => {
    const reference = find(path, text, WANTED);
    return reference && resolvePort(path, text, reference, port);
  };

  /** A stage that is waited for; of a stage nothing but its end can be waited for. */
  const resolveNeed = (path: DocumentPath, text: string): string | undefined => {
    const reference = find(path, text, "stage, stage@extent or stage~axis=value");
    if (reference?.port === undefined) return reference && nodeIdOf(reference);
    const stage = nodeIdOf(reference);
    return report(path, "value", {
      code: "bad-reference",
      message: `"${text}" in needs names an output; needs waits for whole stages`,
      fix: `write ${stage}, or read the output under inputs`,
    });
  };

  for (const [name, value] of Object.entries(entry.inputs)) {
    const path = ["stages", id, "inputs", name];
    const texts = typeof value === "string" ? [value] : value;
    const placeOf = (index: number) => Array.isArray(value) ? [...path, index] : path;
    if (kind === undefined) {
      texts.forEach((text, index) => void find(placeOf(index), text, WANTED));
      continue;
    }
    const port = Object.hasOwn(kind.inputs, name) ? kind.inputs[name] : undefined;
    if (port === undefined) {
      const meant = didYouMean(name, Object.keys(kind.inputs));
      if (meant !== undefined) misspelt.add(meant);
      report(path, "key", {
        code: "unknown-port",
        message: `${kind.name} has no input "${name}"`,
        fix: suggestName(name, Object.keys(kind.inputs)),
      });
      continue;
    }
    if (Array.isArray(value) && port.list !== true) {
      report(path, "value", {
        code: "bad-reference",
        message: `input "${name}" of ${kind.name} takes one artifact`,
        got: `a list of ${value.length}`,
        wanted: "one reference",
        fix: "name one output",
      });
      continue;
    }
    const bound = texts.map((text, index) => resolve(placeOf(index), text, port));
    inputs[name] = bound.filter((binding) => binding !== undefined);
  }

  for (const [name, port] of Object.entries(kind?.inputs ?? {})) {
    if (port.optional === true || Object.hasOwn(entry.inputs, name) || misspelt.has(name)) continue;
    report(["stages", id], "key", {
      code: "missing-input",
      message: `stage "${id}" (${kind!.name}) needs input "${name}"`,
      wanted: wantedText(port.type),
      fix: `add under inputs: ${name}: <stage>`,
    });
  }
  const needs = [entry.needs ?? []].flat().map((text, index) => {
    return resolveNeed(Array.isArray(entry.needs) ? ["stages", id, "needs", index] : ["stages", id, "needs"], text);
  }).filter((one) => one !== undefined);
  return { inputs, needs, variants, problems };
}
