import { resolve } from "node:path";
import {
  type Diagnostic,
  formatMemory,
  grantedFiles,
  granteeOf,
  grantFlags,
  Grants,
  isShipped,
  type Outlook,
  type Pipeline,
  realPath,
  requestsOf,
  type RightsRequest,
  selectStages,
  type Stage,
  tryDevice,
  withDeviceHere,
} from "noiseline/core";
import type { Cluster } from "noiseline/cluster";
import { formatDuration, shortList } from "./format/units.ts";
import { askYes, canAsk, formatTable, printDiagnostics, printError, problem, refuseWith, styleFor } from "./io.ts";

/** Parses `--grant` texts: returns the rights that they grant, or the problems in them. */
export async function parseGrants(
  texts: readonly string[],
  pipeline: Pipeline,
  { asks }: Pick<Cluster, "asks"> = { asks: [] },
) {
  const granted: RightsRequest[] = [];
  const problems: Diagnostic[] = [];
  const filesOf = ({ kind }: Stage) => grantedFiles(kind).map(({ file }) => realPath(file));
  const report = (text: string, why: string, fix: string) => problems.push(problem(`--grant ${text}: ${why}`, fix));
  for (const text of texts) {
    const colon = text.indexOf(":");
    if (colon < 1 || colon === text.length - 1) {
      report(text, "it names no stage and rights", "write it as STAGE:net=HOST,env=NAME,native,read=PATH,run=PROGRAM");
      continue;
    }
    const name = text.slice(0, colon);
    const ofCluster = asks.filter(({ stage }) => stage.entry === name);
    const named = selectStages(pipeline, ofCluster.length > 0 ? [] : [name]);
    problems.push(...named.problems);
    if (named.problems.length > 0) continue;
    const files = new Set(named.stages.flatMap((id) => filesOf(pipeline.stages.get(id)!)));
    // A file's rights are shared: another stage that uses the file may ask for more rights.
    const users = pipeline.stages.values().filter((stage) => filesOf(stage).some((file) => files.has(file)));
    const stages = await Promise.all(users.map((stage) => withDeviceHere(stage, tryDevice)));
    const asked = [...ofCluster, ...requestsOf(stages, pipeline.folder).filter(({ file }) => files.has(file))];
    const rights = [...new Set(asked.flatMap((request) => request.rights))];
    const programs = new Map(stages.flatMap(({ stage: { kind, params } }) => {
      const { run, program } = params as { run: readonly string[]; program: string };
      return kind.command === undefined ? [] : [[`run=${run[0]}`, `run=${program}`] as const];
    }));
    const { given, extra } = takeRights(text.slice(colon + 1), rights, pipeline.folder, programs);
    // A grant that shipped code once needed does no harm.
    const isShippedCode = stages.some(({ stage }) => stage.kind.userCode.some(isShipped));
    if (extra.length > 0 && !isShippedCode) {
      const fix = rights.length === 0 ? "leave it out" : `it asks for ${rights.join(",")}`;
      report(text, `${ofCluster.length > 0 ? "the file" : "the stage"} does not ask for ${extra.join(", ")}`, fix);
      continue;
    }
    // A text may name several stages; each gets those of the given rights that it asks for.
    for (const request of asked) {
      granted.push({ ...request, rights: given.filter((right) => request.rights.includes(right)) });
    }
  }
  return { granted, problems };
}

/** Returns the remembered grants plus those in `--grant` texts; ends the command if any of these texts is wrong. */
export async function grantsFor(texts: readonly string[] = [], pipeline: Pipeline, cluster?: Cluster): Promise<Grants> {
  const { granted, problems } = await parseGrants(texts, pipeline, cluster);
  if (problems.length > 0) refuseWith(problems);
  const grants = new Grants(pipeline.folder);
  granted.forEach((one) => grants.add(one));
  return grants;
}

/**
 * Splits a list of rights at its commas, although paths may contain commas too. A path may be relative to the
 * pipeline's folder, whose file writes it that way, or to the folder in which the command runs.
 * @param programs the rights to programs, by how the file names these
 */
function takeRights(
  text: string,
  asked: readonly string[],
  folder: string,
  programs: ReadonlyMap<string, string>,
): { given: string[]; extra: string[] } {
  const find = (one: string) => {
    const path = /^read=(.*)$/s.exec(one)?.[1];
    const places = path === undefined ? [] : [folder, Deno.cwd()].map((at) => `read=${realPath(resolve(at, path))}`);
    return [one, ...places, programs.get(one)].find((each): each is string =>
      each !== undefined && asked.includes(each)
    );
  };
  const parts = text.split(",");
  const [given, extra]: [string[], string[]] = [[], []];
  while (parts.length > 0) {
    // The longest candidate comes first, because the text of one right may begin with that of another and a comma.
    const ends = parts.map((_, i) => parts.length - i);
    const end = ends.find((end) => find(parts.slice(0, end).join(",")) !== undefined);
    const one = parts.splice(0, end ?? 1).join(",");
    if (end === undefined) extra.push(one);
    else given.push(find(one)!);
  }
  return { given, extra };
}

/** Returns a function that asks on the terminal about all requests at once; undefined if nobody can be asked. */
export function questionFor(json: boolean, stop: AbortSignal) {
  if (json || !canAsk()) return undefined;
  return async (requests: readonly RightsRequest[]) => {
    printError("Files of your project ask for rights, beyond the inputs and outputs of stages:");
    for (const line of formatTable(requests.map(rowOf))) printError(line);
    return await askYes("Do you trust their code with these rights? A yes is remembered.", stop);
  };
}

function rowOf({ stage, names = [granteeOf(stage)], uses, rights }: RightsRequest): string[] {
  return [`  ${shortList(names, 3)}`, uses, rights.join(", ")];
}

/** Lists the rights that custom stages ask for and those that are not granted, as data and in lines. */
export function describeRights(stages: Parameters<typeof requestsOf>[0], pipeline: Pipeline) {
  const requests = requestsOf(stages, pipeline.folder);
  if (requests.length === 0) return { data: [], lines: [] };
  const grants = new Grants(pipeline.folder);
  printDiagnostics(grants.problems);
  const listed = requests.map((request) => ({ request, missing: grants.open([request])[0]?.rights ?? [] }));
  const rows = listed.map(({ request, missing }) => {
    const state = missing.length === 0 ? "granted" : `not granted: ${missing.join(", ")}`;
    return [...rowOf(request), styleFor().dim(state)];
  });
  const open = grants.open(requests);
  const paste = open.length === 0 ? [] : [`if you trust all of it, give run: ${grantFlags(open)}`];
  return {
    data: listed.map(({ request: { stage, uses, rights }, missing }) => {
      return { stage: granteeOf(stage), file: uses, rights, missing };
    }),
    lines: ["code of your own asks for:", ...formatTable(rows), ...paste],
  };
}

/**
 * Returns notes on a run's duration and memory, and a question with alternatives for a run of more than a day, or one
 * that needs more memory than there is.
 */
export function describeOutlook(outlook: Outlook, { profiles, knownProfiles }: Pipeline) {
  const { withoutCard, slower, faster, long, cardFix, tight } = outlook;
  const describe = (stages: typeof tight) =>
    [...Map.groupBy(stages, ({ needs, most, isLimit, fix }) => {
      const than = `${isLimit ? "its limit of" : "the free"} ${formatMemory(most)}`;
      return `needs about ${formatMemory(needs)} of memory, more than ${than}: ${fix}`;
    })].map(([what, all]) => `${shortList([...new Set(all.map(({ stage }) => stage))])}: ${what}`);
  const notes = describe(tight.filter(({ refused }) => !refused)).map((what) => `warning: ${what}`);
  const hopeless = describe(tight.filter(({ refused }) => refused));
  if (withoutCard !== undefined) {
    const names = shortList(withoutCard.stages.map(({ id }) => id));
    notes.push(`${names}: about ${formatDuration(withoutCard.totalMs)} here, without the GPU that is asked for`);
  }
  if (slower !== undefined) {
    const names = shortList(slower.stages.map(({ id }) => id));
    const time = formatDuration(slower.totalMs);
    notes.push(`${names}: about ${time} here, and less on a device that is not set up: ${faster}`);
  }
  if (hopeless.length > 0) return { notes, question: problem(hopeless.join("; "), "start it anyway with --yes") };
  if (long === undefined) return { notes };
  const parts = shortList(long.stages.map(({ id, durationMs }) => `${id} ${formatDuration(durationMs)}`));
  const others = knownProfiles.filter((name) => !profiles.includes(name)).map((name) => `--profile ${name}`);
  const ways = [
    others.length > 0 ? `make it smaller with ${others.join(" or ")}` : "",
    cardFix === undefined ? "" : `use the GPU: ${cardFix}`,
    "start it anyway with --yes",
  ];
  const message = `this run takes at least about ${formatDuration(long.totalMs)} on this machine (${parts})`;
  return { notes, question: problem(message, ways.filter(Boolean).join("; or ")) };
}

/**
 * Asks the user to confirm a run that takes more than a day.
 * @returns the diagnostics why the run may not start
 */
export async function confirmLongRun(
  outlook: Outlook,
  pipeline: Pipeline,
  { json, say, stop }: { readonly json: boolean; readonly say: (message: string) => void; readonly stop: AbortSignal },
): Promise<readonly Diagnostic[]> {
  const { notes, question } = describeOutlook(outlook, pipeline);
  notes.forEach(say);
  if (question === undefined) return [];
  if (json || !canAsk()) return [question];
  printError(`${question.message}\n${question.fix}`);
  return await askYes("Start it anyway?", stop) ? [] : [question];
}
