/**
 * Runs a program of the user's, in any language. It gets copies of its sources, a file that says what it is to do, and
 * few variables; it writes files to folders and JSON lines to a descriptor. See docs/other-languages.md.
 */
import toolkit from "../../deno.json" with { type: "json" };
import { constants } from "node:os";
import { basename, dirname, isAbsolute, join, normalize } from "node:path";
import { type FoundCommand, PLACEHOLDER } from "../../schemas/command.ts";
import type { CommandProgram } from "../keys/program.ts";
import { copyFile, makeFolder, writeNew } from "../store/files.ts";
import { isThere, statIfThere } from "../store/reading.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { namesIn } from "./process_tree.ts";
import { parseJson } from "../store/records.ts";
import { describeLoss, explainStop, runInChild, STOP_GRACE_MS, type WorkerOptions } from "./child.ts";
import { MAX_LINE, streamLines } from "./lines.ts";
import type { NodeOrder } from "./node.ts";
import { isPython, programHere } from "./python.ts";
import { failed, type InputMessage, programEventSchema, type StageOutcome, type StartMessage } from "./protocol.ts";
import { LIBRARY_SETTINGS } from "./runtime.ts";
import { type Place, SMALLER, type Spread, StartedProgram, type Starter, starterAt } from "./start_program.ts";
import { explainExit, inOwnNames, type Outside, undeclared, undeclaredData } from "./command_failure.ts";

/** The time to end after SIGTERM of a program that saves nothing. */
const SHORT_GRACE_MS = 10_000;
const NOT_READ = "it did not read these params, so other values of them change nothing:";
/**
 * The last words of torch's launchers if a signal has ended a rank. The launcher may have heard first of another rank,
 * which failed because it could not reach that one. SIGTERM (15) is how the launcher itself ends what is left.
 */
const RANK_KILLED = /^(?:Failures:|Root Cause)[^]*?exitcode *: -(?!15 )(\d+) .*/m;

/** Words that name a program which starts several processes, as many as its own arguments or files say. */
const LAUNCHERS = /^(torchrun|accelerate|accelerate\.commands\.launch|torch\.distributed\.(run|launch))$/;

interface CommandOptions extends WorkerOptions {
  /** The folder of the pipeline, that of its project, and the store. */
  readonly home: string;
  readonly project: string;
  readonly store: string;
  /** The data of the stage by name, where the user has it: a program may get copies. */
  readonly data: Outside["data"];
  /** The processors that the stage asks for, on each of its nodes. */
  readonly cpus?: number | undefined;
  /** Set for a program that runs on several nodes. */
  readonly spread?: Spread | undefined;
}

/** Runs the program of a stage, and checks what it has written. */
export async function runCommand(
  program: CommandProgram,
  start: StartMessage,
  options: CommandOptions,
): Promise<StageOutcome> {
  const params = start.params as FoundCommand;
  const here = await programHere(params.program, params.interpreter, options.home);
  if (here?.version !== params.interpreter) {
    const message = `${params.program} is ${here?.version ?? "not there"}, and ${params.interpreter} was planned with`;
    return failed(message, "run again; on a cluster, give the nodes the same program");
  }
  const brief = { ...briefOf(start, options), start: here.start };
  const place = layOut(program, params, brief, { ...options, started: here.python, folders: here.folders });
  const { spread, home } = options;
  const how = spread ?? starterAt(place, join(options.folder, "work", "tmp"));
  if ("note" in how && how.note !== undefined) options.emit({ type: "note", message: how.note });
  const before = stampsOf(start);
  const checksLock = params.lock !== undefined && isPython(here.version);
  const lock = checksLock ? [[here.python, join(place.vars["PYTHONPATH"]!, "noiseline/_stage.py")]] : [];
  for (const argv of [...lock, [here.path, ...argsOf(params, brief)]]) {
    const order: NodeOrder | undefined = spread &&
      { place, argv, names: spread.names, interpreter: here.version, home };
    const end = await runOnce({ argv, order, how, folders: here.folders }, params, place, options);
    if (end.status !== "complete") return end;
  }
  const [changed] = stampsOf(start).find(([, stamp], i) => before[i]![1] !== stamp) ?? [];
  if (changed !== undefined) return failed(`it changed its input ${changed}`, "write a changed copy to an output");
  const checker = { entry: program.entry, userCode: [], permissions: {} };
  // Images that the program has left as pictures or arrays become a set.
  const writable = Object.values(start.outputs);
  return await runInChild(checker, start, { ...options, writable, env: {} });
}

/** Returns all that a program is told. */
function briefOf({ inputs, outputs, seed, ...start }: StartMessage, { folder }: CommandOptions) {
  const { params, steps, resumes, lock = null, outputs: types, data } = start.params as FoundCommand;
  const progress = resumes
    ? { folder: start.progressFolder, limit: start.progressLimit, confirms: start.sendsAll === true }
    : null;
  const made = Object.entries(outputs).map(([port, folder]) => [port, { type: types[port], folder }]);
  const folders: Readonly<Record<string, { readonly folder: string }>> = Object.fromEntries(made);
  const code = join(folder, "work", "code");
  const told = Object.entries(data).map(([name, path]) =>
    [name, typeof path === "string" ? path : join(folder, "work", "data", name)] as const
  );
  return {
    params: { ...params, steps } as FoundCommand["params"],
    seed,
    inputs,
    outputs: folders,
    data: Object.fromEntries(told) as Readonly<Record<string, string>>,
    progress,
    lock,
    code,
    noiseline: toolkit.version,
  };
}

/** Makes the folder that a program starts in, and the file that tells it what to do. */
function layOut(
  { entry }: CommandProgram,
  params: FoundCommand,
  told: ReturnType<typeof briefOf>,
  { folder, env, started, folders, ...options }: CommandOptions & {
    readonly started: string;
    readonly folders: readonly string[];
  },
): Place {
  const { readable, writable, project, store, spread, memoryLimit, cpus } = options;
  const work = join(folder, "work");
  // Sources above the pipeline's folder lie above the program's too.
  const above = Math.max(0, ...Object.keys(params.sources).map((name) => name.split("/").lastIndexOf("..") + 1));
  const cwd = join(told.code, ..."d".repeat(above));
  const library = join(work, "lib", "noiseline");
  for (const made of [cwd, library, join(work, "home"), join(work, "tmp")]) makeFolder(made);
  // The toolkit's files lie in the module where pip has installed them.
  const [module] = ["../../package/python/noiseline/", "../../../"].map((at) => new URL(at, entry).pathname).filter(
    isThere,
  );
  for (const name of namesIn(module!)) if (name.endsWith(".py")) copyFile(join(module!, name), join(library, name));
  for (const [name, path] of Object.entries(params.sources)) {
    const copy = normalize(join(cwd, name));
    makeFolder(dirname(copy));
    copyFile(path, copy);
  }
  const brief = join(work, "stage.json");
  writeNew(brief, JSON.stringify(told));
  // The matches of a pattern lie together, under their own names.
  for (const [name, found] of Object.entries(params.data)) {
    for (const [file, path] of typeof found === "string" ? [] : Object.entries(found)) {
      linkTo(path, join(told.data[name]!, file));
    }
  }
  // Where modules of a cluster's programs are loaded, these need the libraries that come with them.
  const libraries = Deno.env.get("LD_LIBRARY_PATH");
  const seen = [...folders, ...params.sees, ...libraries?.split(":").filter(isAbsolute) ?? []];
  return {
    ...{
      programs: [params.program, started],
      readable: [...readable, ...seen.filter(isThere)],
      writable: [work, ...writable],
      project,
      store,
      cwd,
      brief,
    },
    // Ranks on several nodes meet on the network.
    ...{ net: params.net || spread !== undefined, gpu: env["CUDA_VISIBLE_DEVICES"] !== undefined, memory: memoryLimit },
    vars: {
      PATH: Deno.env.get("PATH") ?? "",
      ...definedOnly({ LD_LIBRARY_PATH: libraries }),
      ...hubsOf(told.data, work),
      HOME: join(work, "home"),
      ...{ TZ: "UTC", LC_ALL: "C.UTF-8", LANG: "C.UTF-8" },
      ...{ PYTHONPATH: dirname(library), PYTHONHASHSEED: "0", PYTHONDONTWRITEBYTECODE: "1", PYTHONNOUSERSITE: "1" },
      // Lines that are still in a buffer would be lost when the program is stopped.
      PYTHONUNBUFFERED: "1",
      CUDA_VISIBLE_DEVICES: "",
      GOMP_SPINCOUNT: LIBRARY_SETTINGS.GOMP_SPINCOUNT,
      ...cpus !== undefined && threadsOf(params, cpus, spread?.nodes),
      ...env,
      ...Object.fromEntries(Object.entries(params.env).map(([name, value]) => [name, String(value)])),
      ...params.tasks === undefined ? {} : meeting(params.tasks, spread?.nodes ?? 1),
      ...{ NOISELINE_STAGE: brief, NOISELINE_EVENTS: "3" },
    },
  };
}

/** Returns the variable by which libraries take as many threads as there are processors for each process. */
function threadsOf({ run, tasks }: FoundCommand, cpus: number, nodes = 1): Record<string, string> {
  // A launcher that starts processes by its own arguments chooses their threads too.
  const isLauncher = LAUNCHERS.test(basename(run[0]!)) ||
    run.some((word, i) => run[i - 1] === "-m" && LAUNCHERS.test(word));
  if (tasks === undefined && isLauncher) return {};
  const own = Math.min(cpus, navigator.hardwareConcurrency);
  return { OMP_NUM_THREADS: `${Math.max(1, Math.floor(own * nodes / (tasks ?? 1)))}` };
}

/** Returns the variables by which `torchrun` starts so many processes on so many nodes. */
function meeting(tasks: number, nodes: number): Record<string, string> {
  using listener = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  return {
    ...{ PET_NNODES: `${nodes}`, PET_NPROC_PER_NODE: `${tasks / nodes}` },
    ...{ PET_NODE_RANK: "0", PET_MASTER_ADDR: "127.0.0.1", PET_MASTER_PORT: `${port}` },
  };
}

/** Makes a link to a file or folder of data, and the folder that it lies in. */
function linkTo(path: string, place: string): void {
  makeFolder(dirname(place));
  Deno.symlinkSync(path, place);
}

/** Returns the variables by which libraries of models find those that are among the data, and look nowhere else. */
function hubsOf(data: Readonly<Record<string, string>>, work: string): Record<string, string> {
  const models = Object.values(data).filter((path) => /^(models|datasets)--/.test(basename(path)));
  for (const path of models) linkTo(path, join(work, "hub", basename(path)));
  const torch = Object.values(data).find((path) => basename(path) === "torch" && isThere(join(path, "hub")));
  return definedOnly({
    ...models.length > 0 && { HF_HUB_CACHE: join(work, "hub"), HF_HUB_OFFLINE: "1" },
    TORCH_HOME: torch,
  });
}

/** Returns the program's arguments with everything filled in. */
function argsOf({ run }: FoundCommand, { params, inputs, outputs, data }: ReturnType<typeof briefOf>): string[] {
  const fill = (_: string, group: string, name: string) => {
    if (group === "data") return data[name]!;
    const value = group === "params"
      ? params[name]
      : ((group === "inputs" ? inputs : outputs)[name] as InputMessage).folder;
    return typeof value === "string" ? value : JSON.stringify(value);
  };
  return run.slice(1).map((text) => text.replaceAll(PLACEHOLDER, fill));
}

/** Returns, for each file that a program reads, what changes if it is written to. */
function stampsOf({ inputs }: StartMessage): (readonly [file: string, stamp: string])[] {
  const given = Object.entries(inputs).flatMap(([port, one]) => [one].flat().map((input) => ({ port, ...input })));
  return given.flatMap(({ port, folder, files = [] }) =>
    files.map(({ path }) => {
      const { ino, size, mtime } = statIfThere(join(folder!, path)) ?? {};
      return [`${port}/${path}`, `${ino} ${size} ${mtime?.getTime()}`] as const;
    })
  );
}

/** Runs one command line to its end. */
async function runOnce(
  { argv, order, how, folders }: {
    readonly argv: readonly string[];
    readonly order?: unknown;
    readonly how: Starter | Spread;
    readonly folders: readonly string[];
  },
  { resumes, params, steps, run, sources }: FoundCommand,
  place: Place,
  options: CommandOptions,
): Promise<StageOutcome> {
  const { timeoutMs, log, stop, kill, home, emit } = options;
  // A folder whose time is newer was made, or added to, by the program itself, which only one without a box can do.
  const isContained = "contains" in how && how.contains;
  const outside: Outside = {
    home,
    data: options.data,
    isContained,
    before: isContained ? Infinity : Date.now() - 2_000,
  };
  using program = new StartedProgram(order === undefined ? argv : [], place, how, { timeoutMs, kill }, order);
  const { child } = program;
  child.onAbort(stop, () => {
    program.askToStop();
    child.killAfter(resumes ? STOP_GRACE_MS : SHORT_GRACE_MS);
  });

  let [step, isLeft, said, words] = [0, false, undefined as StageOutcome | undefined, undefined as string | undefined];
  let first: number | undefined;
  let unread: readonly string[] | undefined;
  const ownNames = (text: string) => inOwnNames(text, place.cwd, sources);
  const listen = async (stdout: ReadableStream<Uint8Array>) => {
    for await (const line of streamLines(stdout, MAX_LINE)) {
      const event = parseJson(line, programEventSchema);
      if (event === undefined) log.keep(`not an event: ${line.slice(0, 400)}`);
      else if (event.type === "failed") said = { status: "failed", message: event.message, fix: event.fix };
      else if (event.type === "left") isLeft = true;
      else if (event.type === "unread") unread = unread?.filter((one) => event.params.includes(one)) ?? event.params;
      else if (event.type === "ended") first ??= event.code || undefined;
      else if (event.type === "crashed") words = withCrash(words, ownNames(event.message));
      else if (event.type === "outside") {
        if (said !== undefined) continue;
        said = undeclaredData(event.path, outside);
        if (said !== undefined) child.killAfter(0);
      } else if (event.type === "modules") {
        said ??= event.files.length === 0 ? undefined : undeclared("loaded", event.files[0]!);
      } else {
        if (event.type === "saved") {
          step = event.step;
          // The other ranks may wait for the one that has saved and ended.
          if (stop.aborted) child.killAfter(SHORT_GRACE_MS);
        }
        emit(event);
      }
    }
  };
  let killed: RegExpExecArray | undefined;
  const ended = await program.waitForEnd(listen, (said) => {
    const text = ownNames(said);
    // Its launcher may say so in pieces, and the launchers of other nodes more than is kept.
    killed ??= RANK_KILLED.exec(`${log.tail()}\n${text}`) ?? undefined;
    log.keep(text);
  });
  const stopped = explainStop(child, options, { outcome: said, smaller: SMALLER, step });
  if (stopped !== undefined) return stopped;
  const code = first ?? ended.code;
  // The shell in the box gives a code for the signal by which the program ended; it may have exited with this itself.
  const number = Number(code === 0 ? 0 : killed?.[1] ?? (program.saysSignals ? code - 128 : 0));
  const named = Object.entries(constants.signals).find(([, value]) => value === number)?.[0] as Deno.Signal | undefined;
  const by = ended.signal ?? named;
  const isGuess = ended.signal === null && killed === undefined;
  if (by !== undefined) return describeLoss(child, { code, signal: by, isGuess }, killed?.[0] ?? log.tail(), SMALLER);
  if (code !== 0) {
    return explainExit(code, words ?? log.tail(), { ...outside, folders });
  }
  if (ended.left.length === 0 && !isLeft) {
    const declared = [...Object.keys(params), ...steps === undefined ? [] : ["steps"]];
    const ignored = declared.filter((one) =>
      unread?.includes(one) && !run.some((text) => text.includes(`params.${one}}`))
    );
    if (ignored.length > 0) emit({ type: "note", message: `${NOT_READ} ${ignored.join(", ")}` });
    return { status: "complete" };
  }
  const names = ended.left.join(", ") || "processes that it started";
  return failed(`it ended while ${names} still ran; they were killed`, "let it wait for the processes that it starts");
}

/** Adds a rank's last words: of the first rank all, and of others, any of which may be the cause, the last line. */
function withCrash(before: string | undefined, message: string): string {
  if (before === undefined || before.length > 8_000) return before ?? message;
  return `${before}\n${message.split(":", 1)[0]}: ${message.slice(message.lastIndexOf("\n") + 1)}`;
}
