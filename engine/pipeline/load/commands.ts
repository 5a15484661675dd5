import { globSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { BuiltinKind, InputPorts, OutputPorts } from "../../contract/stage.ts";
import { ARTIFACT_TYPES } from "../../../schemas/artifacts.ts";
import { type CommandParams, foundCommandSchema, PLACEHOLDER } from "../../../schemas/command.ts";
import type { ParamIssue } from "../../../schemas/param_issue.ts";
import type { StageEntry } from "../../../schemas/pipeline_file.ts";
import { rolesOf } from "../../../schemas/roles.ts";
import { didYouMean } from "../../../std/did_you_mean.ts";
import { definedOnly } from "../../../std/defined_only.ts";
import type { Kind } from "../../keys/stage.ts";
import { projectOf } from "../project.ts";
import { findProgram, programLike } from "../../process/programs.ts";
import { knownVersion } from "../../process/python.ts";
import { validate } from "../../diagnostic/validate.ts";
import { realPath, statIfThere } from "../../store/reading.ts";
import { isWithin } from "../../store/write_roots.ts";
import { asMap } from "../source/tree.ts";

/** The sources and the lock of a stage are hashed by each command, and copied for each run. */
const MOST_CODE_BYTES = 1 << 30;
/** Matches a call of srun, also within a line of shell. */
const SRUN = /(^|[\s;&|(/])srun(\s|$)/;
/** Matches options by which torchrun and accelerate are told how many processes there are, and where they meet. */
const PLACEMENT =
  /^--?(nnodes|nproc[-_]per[-_]node|node[-_]rank|master[-_]\w+|rdzv[-_]\w+|standalone|num_(processes|machines)|machine_rank|main_process_\w+)(=|$)/;

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

/** Each match of a pattern of data has a digest of its own in the key. */
const MOST_MATCHES = 1_000;
const WILD = /[*?[{]/;

/** Finds the program and the files that params name. */
function findAll(
  params: CommandParams,
  ports: ReturnType<typeof commandPorts>,
  folder: string,
): ReturnType<Kind["validate"]> {
  const issues: ParamIssue[] = [];
  const refuse = (path: ParamIssue["path"], input: unknown, message: string, fix: string) =>
    void issues.push({ code: "custom", path, message, input, fix });
  const correct = "correct the path; it is relative to the pipeline file";

  const project = projectOf(folder);
  const sources: Record<string, string> = {};
  for (const [index, pattern] of params.sources.entries()) {
    const found = findFiles(pattern, folder);
    if (found.length === 0) {
      refuse(["sources", index], pattern, "a file that exists, or a pattern that some file matches", correct);
    }
    for (const name of found) {
      const path = realPath(join(folder, name));
      if (isWithin(path, project)) sources[name] = name;
      else refuse(["sources", index], name, `a file of this project (${project})`, haveIn(path, project));
    }
  }
  if (params.lock !== undefined && !isFile(resolve(folder, params.lock))) {
    refuse(["lock"], params.lock, "a file that exists", correct);
  }
  const code = [...Object.keys(sources), params.lock ?? []].flat();
  const size = code.reduce((sum, name) => sum + (statIfThere(realPath(resolve(folder, name)))?.size ?? 0), 0);
  if (size > MOST_CODE_BYTES) {
    const wanted = `files of code, of at most ${MOST_CODE_BYTES >> 30} GiB in all with the lock`;
    const fix = "name large data under data, not under sources";
    refuse(["sources"], `${(size / 2 ** 30).toFixed(1)} GiB`, wanted, fix);
  }
  const data: Record<string, string | Record<string, string>> = {};
  for (const [name, written] of Object.entries(params.data)) {
    const path = written.replace(/^~(?=\/)/, Deno.env.get("HOME") ?? "~");
    const full = resolve(folder, path);
    data[name] = path;
    if (!WILD.test(path) || statIfThere(realPath(full)) !== undefined) continue;
    const root = resolve("/", ...full.split("/").slice(0, full.split("/").findIndex((part) => WILD.test(part))));
    const found = findFiles(full, folder).map((file) => resolve(folder, file));
    data[name] = Object.fromEntries(found.map((file) => [relative(root, file), file]));
    if (found.length === 0) {
      refuse(["data", name], written, "a pattern that some file matches", correct);
    } else if (found.length > MOST_MATCHES) {
      const wanted = `a pattern that at most ${MOST_MATCHES} files match; ${found.length} do`;
      refuse(["data", name], written, wanted, `name the folder ${root} itself, and let the program choose`);
    }
  }
  if (Object.hasOwn(params.params, "steps")) {
    const fix = "write steps beside params, not in them, or give the param another name";
    refuse(["params", "steps"], params.params["steps"], "no param that is called steps", fix);
  }

  const known: Readonly<Record<string, readonly string[]>> = {
    params: [...Object.keys(params.params), ...params.steps === undefined ? [] : ["steps"]],
    inputs: Object.keys(ports.inputs),
    outputs: Object.keys(ports.outputs),
    data: Object.keys(params.data),
  };
  for (const [index, text] of params.run.entries()) {
    if (SRUN.test(text)) {
      const fix = "leave srun out, and write resources: { nodes: N } in the stage and tasks: under with";
      refuse(["run", index], text, "a program that noiseline itself starts on each node of the job", fix);
    }
    if (params.tasks !== undefined && basename(text) === "accelerate") {
      const fix = "start the script with torchrun, or leave tasks out and write --num_processes";
      refuse(["run", index], text, "torchrun, which reads from variables what tasks says", fix);
    }
    if (params.tasks !== undefined && index > 0 && PLACEMENT.test(text)) {
      const fix = "leave it out: tasks and resources: { nodes: N } say it to torchrun";
      refuse(["run", index], text, "no option about the number of processes or their places beside tasks", fix);
    }
    for (const [whole, group, name] of text.matchAll(PLACEHOLDER)) {
      const names = known[group!]!;
      if (!names.includes(name!)) {
        const near = didYouMean(name!, names);
        const wanted = names.map((one) => `\${${group}.${one}}`).join(" or ") || `a name under ${group}`;
        const advice = near === undefined
          ? `correct the name, or add it to ${group}`
          : `did you mean \${${group}.${near}}?`;
        refuse(["run", index], whole, wanted, advice);
      } else if (group === "inputs" && ports.inputs[name!]!.list === true) {
        const fix = `read the folders of the list from the file that NOISELINE_STAGE names, in Python from ` +
          `noiseline.inputs["${name}"]; or give each an input of its own`;
        refuse(["run", index], whole, "an input that is one folder, not a list", fix);
      }
    }
    const file = relative(folder, resolve(folder, text));
    if (index > 0 && !Object.hasOwn(sources, file) && isFile(join(folder, file))) {
      refuse(["run", index], text, "a file that is among the sources", `add ${JSON.stringify(file)} to sources`);
    }
  }
  const [name] = params.run;
  const program = findProgram(name!, folder);
  if (program === undefined) {
    const near = programLike(name!);
    const fix = near === undefined ? "install it, or give its path" : `did you mean "${near}"?`;
    refuse(["run", 0], name, "a program that is on your PATH, or the path of one", fix);
  }
  if (program === undefined || issues.length > 0) return { ok: false, issues };
  return { ok: true, value: { ...params, sources, data, program, interpreter: knownVersion(program, project) } };
}

/** Says how a file comes into a project that its folder is not in. */
function haveIn(file: string, project: string): string {
  let common = dirname(file);
  while (dirname(common) !== common && !isWithin(project, common)) common = dirname(common);
  if (dirname(common) === common) return `copy it into ${project}`;
  return "a project is the folder of the nearest deno.json above the pipeline, or else the pipeline's own: move the " +
    `pipeline to ${common}, or have a deno.json there and none below`;
}

/** True for a file, and for a link to one. */
function isFile(path: string): boolean {
  return statIfThere(realPath(path))?.isFile === true;
}

/** Returns the files that a pattern means, relative to a folder; nothing hidden, and no bytecode. */
function findFiles(pattern: string, folder: string): string[] {
  if (!WILD.test(pattern)) {
    const name = relative(folder, resolve(folder, pattern));
    return isFile(join(folder, name)) ? [name] : [];
  }
  const names = globSync(pattern, { cwd: folder }).map((path) => relative(folder, resolve(folder, path)));
  const plain = names.filter((name) => !name.split("/").some((part) => /^\.[^.]|^__pycache__$/.test(part)));
  return plain.filter((name) => isFile(join(folder, name))).sort();
}
