import { globSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import type { BuiltinKind, InputPorts, OutputPorts } from "../../../contract/stage.ts";
import { ARTIFACT_TYPES } from "../../../schemas/artifacts.ts";
import { type CommandParams, foundCommandSchema, PLACEHOLDER } from "../../../schemas/command.ts";
import type { ParamIssue } from "../../../schemas/param_issue.ts";
import type { StageEntry } from "../../../schemas/pipeline_file.ts";
import { rolesOf } from "../../../schemas/roles.ts";
import { didYouMean } from "../../../std/did_you_mean.ts";
import { definedOnly } from "../../../std/defined_only.ts";
import type { Kind } from "../../keys/stage.ts";
import { projectOf } from "../project.ts";
import { findProgram, interpreterOf } from "../../process/programs.ts";
import { validate } from "../../diagnostic/validate.ts";
import { realPath, statIfThere } from "../../store/reading.ts";
import { isWithin } from "../../store/write_roots.ts";
import { asMap } from "../source/tree.ts";

/** Returns the ports that a stage which runs a program of the user's gives itself. */
export function commandPorts(entry: unknown): { readonly inputs: InputPorts; readonly outputs: OutputPorts } {
  const { inputs, with: params } = asMap(entry);
  const read = Object.entries(asMap(inputs)).map(([name, value]) =>
    [name, { type: ARTIFACT_TYPES, description: "", ...Array.isArray(value) && { list: true } }] as const
  );
  const types = Object.entries(asMap(asMap(params)["outputs"]));
  // A type that does not exist is reported with the params.
  const written = types.filter(([, type]) => ARTIFACT_TYPES.some((one) => one === type));
  const made = written.map(([name, type]) => [name, { type, description: "" }]);
  return { inputs: Object.fromEntries(read), outputs: Object.fromEntries(made) };
}

/**
 * Returns the kind of one stage that runs a program of the user's.
 * @param file the pipeline file, to which rights are granted
 */
export function commandKind(kind: Kind, { params: schema }: BuiltinKind, entry: StageEntry, file: string): Kind {
  const folder = resolve(file, "..");
  const ports = commandPorts(entry);
  const { steps, ...roles } = rolesOf(foundCommandSchema);
  return {
    ...kind,
    ...ports,
    roles: definedOnly({ ...roles, steps: entry.with["steps"] === undefined ? undefined : steps }),
    command: { file, uses: basename(file) },
    validate: (raw) => {
      const written = validate(schema, raw);
      return written.ok ? findAll(written.value as CommandParams, ports, folder) : written;
    },
  };
}

/** Finds the program and the files that params name. */
function findAll(
  params: CommandParams,
  ports: ReturnType<typeof commandPorts>,
  folder: string,
): ReturnType<Kind["validate"]> {
  const issues: ParamIssue[] = [];
  const refuse = (path: ParamIssue["path"], input: unknown, message: string) =>
    void issues.push({ code: "custom", path, message, input });

  const project = projectOf(folder);
  const sources: Record<string, string> = {};
  for (const [index, pattern] of params.sources.entries()) {
    const found = findFiles(pattern, folder);
    if (found.length === 0) {
      refuse(["sources", index], pattern, "a file that exists, or a pattern that some file matches");
    }
    for (const name of found) {
      if (isWithin(realPath(join(folder, name)), project)) sources[name] = name;
      else refuse(["sources", index], name, `a file of this project (${project})`);
    }
  }
  if (params.lock !== undefined && !isFile(resolve(folder, params.lock))) {
    refuse(["lock"], params.lock, "a file that exists");
  }
  if (Object.hasOwn(params.params, "steps")) {
    refuse(["params", "steps"], params.params["steps"], "steps beside params, or another name");
  }

  const known: Readonly<Record<string, readonly string[]>> = {
    params: [...Object.keys(params.params), ...params.steps === undefined ? [] : ["steps"]],
    inputs: Object.keys(ports.inputs).filter((name) => ports.inputs[name]!.list !== true),
    outputs: Object.keys(ports.outputs),
  };
  for (const [index, text] of params.run.entries()) {
    for (const [whole, group, name] of text.matchAll(PLACEHOLDER)) {
      const names = known[group!]!;
      if (names.includes(name!)) continue;
      const near = didYouMean(name!, names);
      const wanted = near === undefined
        ? names.map((one) => `\${${group}.${one}}`).join(" or ")
        : `\${${group}.${near}}`;
      refuse(["run", index], whole, wanted || `no \${${group}.…}, since there are none`);
    }
    const file = relative(folder, resolve(folder, text));
    if (index > 0 && !Object.hasOwn(sources, file) && isFile(join(folder, file))) {
      refuse(["run", index], text, `a file that is among the sources; add it: sources: [${JSON.stringify(file)}]`);
    }
  }
  const program = findProgram(params.run[0]!, folder);
  if (program === undefined) refuse(["run", 0], params.run[0], "a program that is on your PATH, or the path of one");
  if (program === undefined || issues.length > 0) return { ok: false, issues };
  const [interpreter, path] = interpreterOf(program, project);
  return { ok: true, value: { ...params, sources, program: path, interpreter } };
}

/** True for a file, and for a link to one. */
function isFile(path: string): boolean {
  return statIfThere(realPath(path))?.isFile === true;
}

/** Returns the files that a pattern means, relative to a folder; nothing hidden, and no bytecode. */
function findFiles(pattern: string, folder: string): string[] {
  if (!/[*?[{]/.test(pattern)) {
    const name = relative(folder, resolve(folder, pattern));
    return isFile(join(folder, name)) ? [name] : [];
  }
  const names = globSync(pattern, { cwd: folder }).map((path) => relative(folder, resolve(folder, path)));
  const plain = names.filter((name) => !name.split("/").some((part) => /^\.[^.]|^__pycache__$/.test(part)));
  return plain.filter((name) => isFile(join(folder, name))).sort();
}
