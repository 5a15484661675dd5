import { Command } from "@commander-js/extra-typings";
import { type BuiltinKind, rolesOf, suggestName } from "noiseline";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { describeParams } from "../format/params.ts";
import { formatTable } from "../format/table.ts";
import { EXIT, Exit, printError, printJson, printLine } from "../io.ts";

const EXAMPLES = `
Examples:
  deno task stages
  deno task stages train`;

/** `stages [KIND]` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return new Command("stages").summary("List the stage kinds, or describe one")
    .description("List the built-in stage kinds, or the inputs, outputs and params of one.")
    .argument("[kind]", "kind to describe")
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
      const kind = Object.hasOwn(all, name) ? all[name] : undefined;
      if (kind === undefined) {
        printError(`error: unknown kind "${name}"\n  fix:    ${suggestName(name, Object.keys(all))}`);
        throw new Exit(EXIT.invalid);
      }
      if (options.json) printJson(toJson(kind));
      else printKind(kind);
    });
}

function toJson({ kind, summary, version, inputs, outputs, seeded, params }: BuiltinKind) {
  return {
    kind,
    summary,
    version,
    inputs,
    outputs,
    seeded: seeded ?? false,
    params: describeParams(params, rolesOf(params)),
  };
}

function printKind(kind: BuiltinKind): void {
  printLine(`${kind.kind}: ${kind.summary}`);
  const section = (title: string, rows: readonly (readonly string[])[]) => {
    if (rows.length === 0) return;
    printLine(`\n${title}`);
    for (const line of formatTable(rows.map((row) => [`  ${row[0]}`, ...row.slice(1)]))) printLine(line);
  };
  section(
    "inputs",
    Object.entries(kind.inputs).map(([name, { type, optional, list, description }]) => [
      name,
      `${[type].flat().join(" | ")}${list ? "[]" : ""}${optional ? "?" : ""}`,
      description,
    ]),
  );
  section("outputs", Object.entries(kind.outputs).map(([name, { type, description }]) => [name, type, description]));
  section(
    "params",
    describeParams(kind.params, rolesOf(kind.params)).map(({ name, type, fallback, role, description }) => [
      name,
      type,
      fallback === undefined ? "" : `= ${JSON.stringify(fallback)}`,
      role === "identity" ? description : `[${role}] ${description}`,
    ]),
  );
}
