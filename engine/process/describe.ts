import { pathToFileURL } from "node:url";
import type { ParamRoles } from "../../schemas/roles.ts";
import type { Kind, ParamsOutcome } from "../kind.ts";
import type { CustomOutcome, CustomRequest } from "../load/custom_kind.ts";
import { noteModule } from "../load/read_log.ts";
import { statIfThere } from "../store/files.ts";
import { moduleFlags, type WorkerTask, writeEntry } from "./child.ts";
import { digestCode } from "./code_digest.ts";
import type { DescribeAnswer, StageDescription } from "./describe_host.ts";
import { messagePrefix } from "./protocol.ts";
import { killGroup, spawnDeno } from "./runtime.ts";

const DESCRIBE_TIMEOUT_MS = 20_000;

/** Run a generated entry in a child that may do nothing, and take the one message that it answers with. */
export async function askChild<T>(
  entry: string,
  task: Exclude<WorkerTask, "serveStage">,
  question: Record<string, unknown>,
): Promise<{ answer: T } | { error: string }> {
  const folder = await Deno.makeTempDir({ prefix: "noiseline-" });
  try {
    const module = writeEntry(folder, entry, task);
    const nonce = crypto.randomUUID();
    const child = spawnDeno(["run", "--no-prompt", "--no-check", "--quiet", ...moduleFlags(folder, true), module]);
    const timer = setTimeout(() => killGroup(child), DESCRIBE_TIMEOUT_MS);
    const stdin = child.stdin.getWriter();
    await stdin.write(new TextEncoder().encode(`${JSON.stringify({ ...question, nonce })}\n`)).catch(() => {});
    await stdin.close().catch(() => {});
    const { stdout, stderr } = await child.output();
    clearTimeout(timer);
    const line = new TextDecoder().decode(stdout).split("\n").find((text) => text.startsWith(messagePrefix(nonce)));
    if (line !== undefined) return { answer: JSON.parse(line.slice(messagePrefix(nonce).length)) as T };
    const said = new TextDecoder().decode(stderr).replaceAll(/\s+at .*$/gm, "").trim();
    return { error: said === "" ? "it gives no answer" : said };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function makeKind(request: CustomRequest, codeDigest: string, answer: DescribeAnswer, own: StageDescription): Kind {
  const outcomes = new Map<string, ParamsOutcome>();
  request.params.forEach((raw, index) => outcomes.set(JSON.stringify(raw), answer.outcomes[index]!));
  return {
    name: request.written,
    version: `code:${codeDigest}`,
    custom: true,
    summary: own.summary,
    inputs: own.inputs as Kind["inputs"],
    outputs: own.outputs,
    seeded: own.seeded,
    permissions: own.permissions as Kind["permissions"],
    resources: own.resources,
    runs: "process",
    entry: pathToFileURL(request.file).href,
    roles: own.roles as ParamRoles,
    validate: (raw) => {
      const outcome = outcomes.get(JSON.stringify(raw));
      if (outcome === undefined) throw new Error(`Cannot happen: params of ${request.written} were not validated`);
      return outcome;
    },
  };
}

async function describeOne(request: CustomRequest): Promise<CustomOutcome> {
  if (statIfThere(request.file) === undefined) {
    return { error: "no such file", fix: "correct the path; it is relative to the pipeline file" };
  }
  const code = await digestCode(request.file);
  if ("error" in code) return { error: code.error, fix: "correct the stage's imports" };
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
  return { kind: makeKind(request, code.digest, asked.answer, description) };
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
