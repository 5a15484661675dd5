import { Command } from "@commander-js/extra-typings";
import { dirname, resolve } from "node:path";
import {
  type BuiltinKind,
  describeCustomStages,
  describeParams,
  isCustom,
  type Kind,
  suggestName,
} from "noiseline/engine";
import { rightsOf } from "noiseline/core";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { formatTable } from "../format/table.ts";
import { EXIT, Exit, printError, printJson, printLine, refuseWith } from "../io.ts";
import { problem } from "../operands.ts";

const EXAMPLES = `
Examples:
  deno task stages
  deno task stages train
  deno task stages train.model   # one param and those within it
  deno task stages ./my_stage.ts`;

/** `stages [KIND]` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return new Command("stages").summary("List the stage kinds, or describe one")
    .description(
      "List the built-in stage kinds, or show the inputs, outputs and params of one, with types and defaults.",
    )
    .argument("[kind]", "a kind, one of its params as KIND.PARAM, or the file of a custom stage")
    .option("--json", "print as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (name, options) => {
      const all = await settings.loadKinds();
      if (name === undefined) {
        const kinds = Object.values(all);
        if (options.json) printJson(kinds.map(toJson));
        else for (const line of formatTable(kinds.map(({ kind, summary }) => [kind, summary]))) printLine(line);
        return;
      }
      if (isCustom(name)) {
        await printCustom(name, options.json ?? false);
        return;
      }
      const [id = "", ...path] = name.split(".");
      const kind = Object.hasOwn(all, id) ? all[id] : undefined;
      if (kind === undefined) refuseName("kind", id, Object.keys(all));
      const params = describeParams(kind.params);
      if (path.length === 0) {
        if (options.json) printJson(toJson(kind));
        else printKind(name, kind, params);
        return;
      }
      const wanted = path.join(".");
      const found = params.filter((one) => one.name === wanted || one.name.startsWith(`${wanted}.`));
      if (found.length === 0) refuseName(`param of ${id}`, wanted, params.map((one) => one.name));
      if (options.json) printJson(found);
      else printParams(found);
    });
}

function refuseName(what: string, name: string, known: readonly string[]): never {
  printError(`error: unknown ${what} "${name}"\n  fix:    ${suggestName(name, known)}`);
  throw new Exit(EXIT.invalid);
}

function toJson({ kind, summary, version, inputs, outputs, seeded, params }: BuiltinKind) {
  return {
    kind,
    summary,
    version,
    inputs,
    outputs,
    seeded: seeded ?? false,
    params: describeParams(params),
  };
}

/** A custom stage as it describes itself, in a process that may do nothing. */
async function printCustom(written: string, json: boolean): Promise<void> {
  const file = resolve(written);
  const outcome = (await describeCustomStages([{ file, written, params: [] }])).get(file)!;
  if ("error" in outcome) {
    return refuseWith([problem(`cannot use ${written}: ${outcome.error}`, outcome.fix)], json);
  }
  const { summary, inputs, outputs, seeded, permissions, params = [], roles } = outcome.kind;
  const rights = rightsOf({ kind: outcome.kind, params: {} }, dirname(file), false);
  const device = outcome.kind.device !== undefined;
  const files = Object.keys(roles).filter((name) => roles[name]!.role === "external");
  if (json) return printJson({ file, summary, inputs, outputs, seeded, device, permissions, rights, params });
  printKind(written, outcome.kind, params);
  printSection("asks for", [
    ...rights.map((right) => right === "native" ? [right, permissions.native!.join(", ")] : right.split(/=(.*)/s)),
    ...(device ? [["device", "native, unless the param device names wasm or webgpu"]] : []),
    ...(files.length > 0 ? [["read", `what ${files.join(", ")} names outside the pipeline's folder`]] : []),
  ]);
}

function printSection(title: string, rows: readonly (readonly string[])[]): void {
  if (rows.length === 0) return;
  printLine(`\n${title}`);
  for (const line of formatTable(rows.map((row) => [`  ${row[0]}`, ...row.slice(1)]))) printLine(line);
}

function printKind(
  name: string,
  kind: Pick<Kind, "summary" | "inputs" | "outputs">,
  params: ReturnType<typeof describeParams>,
): void {
  printLine(`${name}: ${kind.summary}`);
  printSection(
    "inputs",
    Object.entries(kind.inputs).map(([name, { type, optional, list, description }]) => [
      name,
      `${[type].flat().join(" | ")}${list ? "[]" : ""}${optional ? "?" : ""}`,
      description,
    ]),
  );
  const outputs = Object.entries(kind.outputs);
  printSection("outputs", outputs.map(([name, { type, description }]) => [name, type, description]));
  printParams(params);
}

function printParams(params: ReturnType<typeof describeParams>): void {
  printSection(
    "params",
    params.map(({ name, type, fallback, role, description }) => [
      name,
      type,
      fallback === undefined ? "" : `= ${JSON.stringify(fallback)}`,
      role === "identity" ? description : `[${role}] ${description}`,
    ]),
  );
}
