import { pathToFileURL } from "node:url";
import { z } from "zod";
import { suggestName } from "../../std/did_you_mean.ts";
import { cutText } from "../diagnostic/format.ts";
import { encode } from "../keys/encode.ts";
import type { ModuleMap } from "../keys/stage.ts";
import { wantedBy } from "../../schemas/zod_def.ts";
import { validate } from "../diagnostic/validate.ts";
import { formatPath } from "../diagnostic/document.ts";
import { recordModule } from "./read_log.ts";
import { workerOptions, type WorkerTask, writeEntry } from "./child.ts";
import { type CodeDigest, digestCode } from "./code_digest.ts";
import { MAX_ANSWER, StageLog, streamText } from "./lines.ts";
import { installPackages } from "./install.ts";
import { nativePackages } from "./module_lock.ts";
import { Child, LOADING_LIMITS } from "./runtime.ts";
import { lineOf, messagePrefix } from "./protocol.ts";
import { ownPlace } from "./own_frames.ts";
import { explainRefusal, UNCACHED } from "./refusal.ts";
import { makeTemporaryFolder } from "../store/folders.ts";
import {
  acceptedSchema,
  paramDescriptionSchema,
  type ParamIssue,
  paramIssueSchema,
  paramMetaSchema,
} from "../../schemas/param_issue.ts";
import { ARTIFACT_TYPES } from "../../schemas/artifacts.ts";
import { SORTS } from "../../schemas/definitions.ts";
import { permissionsSchema } from "../../schemas/permissions.ts";
import { PORT_PATTERN, resourcesSchema } from "../../schemas/pipeline_file.ts";

/** A message is one line, so that user code cannot write text that looks like a second message. */
const message = lineOf(1_000);
const unfit = z.strictObject({ error: message, fix: message });

export type Unfit = z.output<typeof unfit>;

/** The answer of the describing process about some params, with facts if the params fit. */
const fitSchema = z.union([
  z.strictObject({
    outcome: z.union([
      acceptedSchema,
      z.strictObject({ ok: z.literal(false), issues: z.array(paramIssueSchema.extend({ message })) }),
    ]),
    facts: z.record(z.string(), z.unknown()),
  }),
  unfit,
]);

export type Fit = z.output<typeof fitSchema>;

/** The answer of the describing process. A stage's description of itself is still to be checked. */
const answerSchema = z.union([
  z.strictObject({
    sort: z.enum(["stage", ...SORTS]),
    said: z.record(z.string(), z.unknown()),
    /** The params that the export takes, for people who ask; empty where params were given. */
    params: z.array(paramDescriptionSchema),
    fits: z.array(fitSchema),
  }),
  unfit,
]);

/** The description of a user's file. */
export type Described = Readonly<Extract<Awaited<ReturnType<typeof describeFile>>, { code: unknown }>>;

/** The reason why a question has no answer, with a fix where one is known. */
type Unanswered = { readonly error: string; readonly fix?: string };

/** Explains why a process gave no answer. The order of the checks is that in which causes hide each other. */
function explainSilence(
  said: string,
  place: string | undefined,
  { exceeded }: Child,
  { signal }: Deno.CommandStatus,
): Unanswered {
  if (exceeded !== undefined) return { error: `loading it took ${exceeded} and was stopped` };
  // The code cannot have sent the signal: it may end its own process, but has no right to signal any.
  if (signal !== null) return { error: `the process that loaded it was ended by ${signal}`, fix: "run again" };
  const refused = explainRefusal(said);
  if (refused !== undefined) return { fix: refused.fix, error: `while it was loaded: ${refused.message}` };
  if (place === undefined) return { error: said === "" ? "it gave no answer; it must not end the process" : said };
  return { error: `${place}: ${said.split("\n")[0]!.replace(/^error: (Uncaught (\(in promise\) )?)?/, "")}` };
}

const MAX_MODULE_BYTES = 16 << 20;

/**
 * Loads a file in a child without permissions, and returns the one message that the child answers with.
 * @param schema the shape that the answer must have: the loaded code may have tampered with the answer
 * @param options.fetched true if the packages were already fetched for this question
 */
export async function askChild<A extends z.ZodType>(
  task: Exclude<WorkerTask, "serveStage">,
  file: string,
  map: ModuleMap,
  question: object,
  schema: A,
  { limits = LOADING_LIMITS, fetched = false } = {},
): Promise<{ answer: z.output<A> } | Unanswered> {
  const entry = pathToFileURL(file).href;
  await using temporary = await makeTemporaryFolder();
  const { folder } = temporary;
  const module = writeEntry(folder, entry, task);
  const nonce = crypto.randomUUID();
  const worker = await workerOptions(folder, map);
  if ("error" in worker) return { ...worker, fix: "run again" };
  const { flags, env } = worker;
  using child = new Child([...flags, module], { env, ...limits });
  await child.writeLine({ ...question, nonce });
  await child.closeInput();
  // Only the answer and the last lines are kept, as loaded code may print without end.
  const log = new StageLog(() => {});
  let line: string | undefined;
  const prefix = messagePrefix(nonce);
  const listen = async (stdout: ReadableStream<Uint8Array>) => {
    for await (const one of streamText(stdout, MAX_ANSWER)) if (one.startsWith(prefix)) line = one;
  };
  let place: string | undefined;
  // Stack frames are not logged: they would push out the error that they belong to.
  const status = await child.read(listen, (text) => {
    for (const said of text.split("\n")) {
      if (!/^\s+at /.test(said)) log.keep(said);
      else place ??= ownPlace(said);
    }
  });
  if (line !== undefined) {
    const answer = schema.safeParse(valueOf(line.slice(prefix.length)));
    return answer.success ? { answer: answer.data } : { error: "it gave an invalid answer" };
  }
  const said = log.tail();
  if (fetched || !UNCACHED.test(said)) return explainSilence(said, place, child, status);
  const missing = await installPackages({ entry, map: () => map }, () => {});
  if (missing !== undefined) return { error: `cannot fetch its packages: ${missing}` };
  return await askChild(task, file, map, question, schema, { limits, fetched: true });
}

/** Parses a text with arbitrary keys; undefined if it was cut, as overlong texts are, or cannot be part of a key. */
function valueOf(text: string): unknown {
  try {
    const value = JSON.parse(text);
    encode(value);
    return value;
  } catch {
    return undefined;
  }
}

function tellIssue({ path, message, input, keys }: ParamIssue): string {
  const at = formatPath(path);
  if (keys !== undefined) return `${at}: unknown key "${keys.join('", "')}"`;
  return `${at}: got ${cutText(Deno.inspect(input, { depth: 1 }))}, wanted ${wantedBy(message)}`;
}

/** Finds the modules of a file that a pipeline names. @param fix the fix to report if the path is not a code file */
export async function loadCode(
  file: string,
  fix: string = "correct the path; it is relative to the pipeline file",
): Promise<CodeDigest> {
  try {
    const { isFile, size } = Deno.statSync(file);
    // A pipe or a device may have no end.
    if (!isFile) return { error: "it is not a regular file", fix };
    if (size > MAX_MODULE_BYTES) return { error: `it is larger than ${MAX_MODULE_BYTES >> 20} MiB`, fix };
  } catch (error) {
    return { error: error instanceof Deno.errors.NotFound ? "no such file" : (error as Error).message, fix };
  }
  const code = await digestCode(file);
  if (!("error" in code)) recordModule(file, code);
  return code;
}

/** Checks a stage's description of itself. @returns the description, or why it cannot be used */
function checkStage(said: unknown): StageDescription | Unfit {
  const checked = validate(stageDescriptionSchema, said);
  if (!checked.ok) return { error: checked.issues.map(tellIssue).join("; "), fix: "correct its definition" };
  const native = checked.value.permissions.native ?? [];
  const packages = native.length === 0 ? [] : nativePackages();
  const unknown = native.find((name) => !packages.includes(name));
  if (unknown === undefined) return checked.value;
  const error = `permissions.native: "${unknown}" is not a package with native code that the toolkit imports`;
  return { error, fix: suggestName(unknown, packages) };
}

/**
 * Describes a user's file, a stage or a definition, without running its code in this process: a child that may not
 * read, write or connect loads the file, and only the description comes back.
 * @param params values that a pipeline gives to the export
 */
export async function describeFile(file: string, params: readonly unknown[] = [], limits = LOADING_LIMITS) {
  const code = await loadCode(file);
  // A Deno that something ended says nothing of the file.
  const isEnded = "error" in code && /^deno \w+ (was ended by|ended with code) |is not whole$/.test(code.error);
  const other = isEnded ? "run the command again" : "correct its imports, or the deno.json above it";
  if ("error" in code) return unfit.parse({ fix: other, ...code });
  const asked = await askChild("describeFile", file, code.map, { params }, answerSchema, { limits });
  // Deno loads some modules through symbolic links and refuses others, as if the code had asked to read them.
  const link = Deno.lstatSync(file).isSymlink ? { fix: "name the file that this link leads to" } : {};
  const fix = "correct the file; it must load without side effects";
  if ("error" in asked) return unfit.parse({ fix, ...asked, ...link });
  const { answer } = asked;
  if ("error" in answer) return answer;
  const { sort, said, params: taken, fits } = answer;
  const stage = sort === "stage" ? checkStage(said) : undefined;
  if (stage !== undefined && "error" in stage) return stage;
  const known = new Map(params.map((raw, index) => [JSON.stringify(raw), fits[index]]));
  const unanswered = { error: "it did not answer for some params", fix: "correct the file" };
  return {
    file,
    code,
    sort,
    /** Undefined for a definition. */
    stage,
    params: taken,
    /** Returns the answer about params that were asked about. */
    fitOf: (raw: unknown): Fit => known.get(JSON.stringify(raw)) ?? unanswered,
  };
}

/** Describes users' files, each in one process, given absolute paths and the params that a pipeline gives to each. */
export async function describeFiles(
  requests: readonly { readonly file: string; readonly params: readonly unknown[] }[],
): Promise<ReadonlyMap<string, Described | Unfit>> {
  const byFile = [...Map.groupBy(requests, ({ file }) => file)];
  const describe = async ([file, all]: (typeof byFile)[number]) => {
    // Children of a matrix mostly give the same params.
    const distinct = new Map(all.flatMap(({ params }) => params).map((raw) => [JSON.stringify(raw), raw]));
    return [file, await describeFile(file, [...distinct.values()])] as const;
  };
  return new Map(await Promise.all(byFile.map(describe)));
}

const portName = z.string().regex(PORT_PATTERN, { error: "a letter, then up to 63 letters, digits or _" });
const artifactType = z.enum(ARTIFACT_TYPES);
const description = z.string().default("");

/**
 * A custom stage's description of itself, as data. The engine's own process checks it: the stage's code may have
 * changed what was checked in the stage's process.
 */
const stageDescriptionSchema = z.object({
  summary: z.string(),
  inputs: z.record(
    portName,
    z.strictObject({
      type: z.union([artifactType, z.array(artifactType).min(1)]),
      description,
      optional: z.boolean().exactOptional(),
      list: z.boolean().exactOptional(),
    }),
  ),
  outputs: z.record(portName, z.strictObject({ type: artifactType, description })),
  seeded: z.boolean().default(false),
  device: z.boolean().default(false),
  permissions: permissionsSchema.default({}),
  resources: resourcesSchema.default({}),
  shards: z.boolean().default(false),
  roles: z.record(z.string(), paramMetaSchema),
});

type StageDescription = z.output<typeof stageDescriptionSchema>;
