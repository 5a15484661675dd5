import { pathToFileURL } from "node:url";
import type { ParamRoles } from "../../schemas/roles.ts";
import { cutText } from "../diagnostic/format.ts";
import type { Kind, ParamsOutcome } from "../kind.ts";
import type { CustomOutcome, CustomRequest } from "../load/custom_kind.ts";
import { noteModule } from "../load/read_log.ts";
import { statIfThere } from "../store/files.ts";
import { ownLocation, type WorkerTask, writeEntry } from "./child.ts";
import { type CodeDigest, digestCode } from "./code_digest.ts";
import type { DescribeAnswer, StageDescription } from "./describe_host.ts";
import { answerLines, streamLines } from "./lines.ts";
import { looseLock, moduleFlags } from "./module_lock.ts";
import { formatMemory, watchMemory } from "./memory.ts";
import { messagePrefix } from "./protocol.ts";
import { explainRefusal } from "./refusal.ts";
import { killGroup, spawnDeno } from "./runtime.ts";
import { StageLog } from "./stage_log.ts";

const DESCRIBE_TIMEOUT_MS = 20_000;
/** Loading a stage has no reason to take much, whatever the machine has. */
const DESCRIBE_MEMORY = 2 ** 31;

/** Why a process gave no answer, in the order in which causes hide each other. */
function explainSilence(said: string, { timedOut, held }: { timedOut: boolean; held: number | undefined }): string {
  if (held !== undefined) return `loading it took ${formatMemory(held)} of memory and was stopped`;
  if (timedOut) return `loading it took more than ${DESCRIBE_TIMEOUT_MS / 1000} s and was stopped`;
  const refused = explainRefusal(said);
  if (refused !== undefined) return `while it was loaded: ${refused.message}`;
  return said === "" ? "it gives no answer: it must not end the process" : said;
}

/** Run a generated entry in a child that may do nothing, and take the one message that it answers with. */
export async function askChild<T>(
  entry: string,
  task: Exclude<WorkerTask, "serveStage">,
  question: Record<string, unknown>,
): Promise<{ answer: T } | { error: string }> {
  const folder = await Deno.makeTempDir({ prefix: "noiseline-" });
  let child: Deno.ChildProcess | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let unwatch: (() => void) | undefined;
  try {
    const module = writeEntry(folder, entry, task);
    const nonce = crypto.randomUUID();
    const flags = ["--no-prompt", "--no-check", "--quiet", ownLocation(), ...moduleFlags(looseLock(folder), false)];
    const started = spawnDeno(["run", ...flags, module]);
    child = started;
    const stopped: { timedOut: boolean; held: number | undefined } = { timedOut: false, held: undefined };
    timer = setTimeout(() => {
      stopped.timedOut = true;
      killGroup(started);
    }, DESCRIBE_TIMEOUT_MS);
    unwatch = watchMemory(started.pid, DESCRIBE_MEMORY, (held) => {
      stopped.held = held;
      killGroup(started);
    });
    const stdin = started.stdin.getWriter();
    await stdin.write(new TextEncoder().encode(`${JSON.stringify({ ...question, nonce })}\n`)).catch(() => {});
    await stdin.close().catch(() => {});
    // Only the answer and the last words are kept, as code that is loaded may print without end.
    const log = new StageLog(() => {});
    let line: string | undefined;
    const prefix = messagePrefix(nonce);
    const listen = async () => {
      for await (const one of answerLines(started.stdout)) if (one.startsWith(prefix)) line = one;
    };
    const readLog = async () => {
      for await (const one of streamLines(started.stderr)) log.keep(one);
    };
    await Promise.all([started.status, listen(), readLog()]);
    if (line !== undefined) return { answer: JSON.parse(line.slice(prefix.length)) as T };
    return { error: explainSilence(log.tail().replaceAll(/\s+at .*$/gm, "").trim(), stopped) };
  } finally {
    clearTimeout(timer);
    unwatch?.();
    if (child !== undefined) killGroup(child);
    await Deno.remove(folder, { recursive: true });
  }
}

function makeKind(
  request: CustomRequest,
  code: Exclude<CodeDigest, { error: string }>,
  answer: DescribeAnswer,
  own: StageDescription,
): Kind {
  const outcomes = new Map<string, ParamsOutcome>();
  request.params.forEach((raw, index) => outcomes.set(JSON.stringify(raw), answer.outcomes[index]!));
  return {
    name: request.written,
    version: `code:${code.digest}`,
    custom: true,
    summary: own.summary,
    inputs: own.inputs as Kind["inputs"],
    outputs: own.outputs,
    seeded: own.seeded,
    permissions: own.permissions as Kind["permissions"],
    resources: own.resources,
    runs: "process",
    entry: pathToFileURL(request.file).href,
    modules: code.modules,
    roles: own.roles as ParamRoles,
    validate: (raw) => {
      const outcome = outcomes.get(JSON.stringify(raw));
      if (outcome === undefined) throw new Error(`Cannot happen: params of ${request.written} were not validated`);
      return outcome;
    },
  };
}

async function describeOne(request: CustomRequest): Promise<CustomOutcome> {
  const fix = "correct the path; it is relative to the pipeline file";
  try {
    if (statIfThere(request.file) === undefined) return { error: "no such file", fix };
  } catch (error) {
    // A name that no file system holds, or a folder that may not be looked into.
    return { error: cutText((error as Error).message), fix };
  }
  const code = await digestCode(request.file);
  if ("error" in code) {
    const refused = explainRefusal(code.error);
    return refused === undefined
      ? { error: code.error, fix: "correct the stage's imports" }
      : { error: refused.message, fix: refused.fix };
  }
  noteModule(request.file, code);
  const asked = await askChild<DescribeAnswer>(
    pathToFileURL(request.file).href,
    "describeStage",
    { params: request.params },
  );
  if ("error" in asked) return { error: asked.error, fix: "correct the stage file; it must load without side effects" };
  const { description, error } = asked.answer;
  if (description === undefined) {
    return { error: error ?? "it gives no description", fix: "export default defineStage({ … }) from it" };
  }
  return { kind: makeKind(request, code, asked.answer, description) };
}

/**
 * Describe custom stages without running their code in this process: each is loaded in a child that may not read,
 * write or connect, and only its description comes back.
 */
export async function describeCustomStages(
  requests: readonly CustomRequest[],
): Promise<ReadonlyMap<string, CustomOutcome>> {
  const outcomes = await Promise.all(requests.map(async (one) => [one.file, await describeOne(one)] as const));
  return new Map(outcomes);
}
