/**
 * Runs a program of the user's, in any language. It gets copies of its sources, a file that says what it is to do, and
 * few variables; it writes files to folders and JSON lines to a descriptor. See docs/other-languages.md.
 */
import toolkit from "../../deno.json" with { type: "json" };
import { dirname, isAbsolute, join, normalize } from "node:path";
import { constants } from "node:os";
import { type FoundCommand, PLACEHOLDER } from "../../schemas/command.ts";
import type { CommandProgram } from "../keys/program.ts";
import { copyFile, makeFolder, writeNew } from "../store/files.ts";
import { isThere, realPath, statIfThere } from "../store/reading.ts";
import { descendantsOf, namesIn, processesWith, ranksOf, signalTo } from "./process_tree.ts";
import { parseJson } from "../store/records.ts";
import { describeLoss, explainStop, runInChild, STOP_GRACE_MS, type WorkerOptions } from "./child.ts";
import { box } from "./box.ts";
import { MAX_LINE, streamLines } from "./lines.ts";
import { isPython, programHere } from "./python.ts";
import { failed, type InputMessage, programEventSchema, type StageOutcome, type StartMessage } from "./protocol.ts";
import { Child } from "./runtime.ts";

/** The time to end after SIGTERM of a program that saves nothing. */
const SHORT_GRACE_MS = 10_000;
/** The time that processes have to end which a program started, once it has ended itself. */
const LEFT_GRACE_MS = 2_000;
const SMALLER = "use smaller parts";
const NOT_READ = "it did not read these params, so other values of them change nothing:";
const UNCONTAINED =
  "bubblewrap is not here: nothing contains this program; a process that it starts, and that clears its " +
  "environment, may outlive it";
/** The last words of torch's launchers if a signal has ended the rank that failed first. */
const RANK_KILLED = /^Root Cause[^]*?^ *exitcode *: -(\d+) /m;
/** A flag of Linux's close_range: descriptors are closed where another program starts. */
const CLOSE_ON_EXEC = 4;
/**
 * Starts a program. Deno passes no descriptors beyond the first three: the program's third is the first, and what it
 * prints goes to the second. Processes to which it does not pass the third find that by its path.
 */
const REDIRECT = ["/bin/sh", "-c", 'export NOISELINE_PIPE=/proc/$$/fd/3; exec "$@" 3>&1 1>&2', "sh"];
const KEPT_OPEN = "it may use files that were open when noiseline started";

interface CommandOptions extends WorkerOptions {
  /** The folder of the pipeline, that of its project, and the store. */
  readonly home: string;
  readonly project: string;
  readonly store: string;
}

/** Where a program runs. */
interface Place {
  readonly cwd: string;
  /** The path of the brief, which is in the environment of the program and of all that it starts. */
  readonly brief: string;
  readonly library: string;
  /** The command line of what starts the program with its variables, and true if that contains the program. */
  readonly starter: readonly string[];
  readonly contained: boolean;
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
  const place = layOut(program, params, brief, { ...options, started: here.python });
  const before = stampsOf(start);
  const checksLock = params.lock !== undefined && isPython(here.version);
  const lock = checksLock ? [[here.python, join(place.library, "_stage.py")]] : [];
  for (const argv of [...lock, [here.path, ...argsOf(params, brief)]]) {
    const end = await runOnce(argv, params, place, options);
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
  const { params, steps, resumes, lock = null, outputs: types } = start.params as FoundCommand;
  const progress = resumes
    ? { folder: start.progressFolder, limit: start.progressLimit, confirms: start.sendsAll === true }
    : null;
  const made = Object.entries(outputs).map(([port, folder]) => [port, { type: types[port], folder }]);
  const folders: Readonly<Record<string, { readonly folder: string }>> = Object.fromEntries(made);
  const code = join(folder, "work", "code");
  return {
    params: { ...params, steps } as FoundCommand["params"],
    seed,
    inputs,
    outputs: folders,
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
  { folder, env, readable, writable, emit, project, store, started }: CommandOptions & { readonly started: string },
): Place {
  const work = join(folder, "work");
  // Sources above the pipeline's folder lie above the program's too.
  const above = Math.max(0, ...Object.keys(params.sources).map((name) => name.split("/").lastIndexOf("..") + 1));
  const cwd = join(told.code, ..."d".repeat(above));
  const library = join(work, "lib", "noiseline");
  const temporary = join(work, "tmp");
  for (const made of [cwd, library, join(work, "home"), temporary]) makeFolder(made);
  // The toolkit's files lie in the module where pip has installed them.
  const [module] = ["../../python/noiseline/", "../../../"].map((at) => new URL(at, entry).pathname).filter(isThere);
  for (const name of namesIn(module!)) if (name.endsWith(".py")) copyFile(join(module!, name), join(library, name));
  for (const [name, path] of Object.entries(params.sources)) {
    const copy = normalize(join(cwd, name));
    makeFolder(dirname(copy));
    copyFile(path, copy);
  }
  const brief = join(work, "stage.json");
  writeNew(brief, JSON.stringify(told));
  const vars = (temporary: string) => ({
    PATH: Deno.env.get("PATH") ?? "",
    HOME: join(work, "home"),
    TMPDIR: temporary,
    ...{ TZ: "UTC", LC_ALL: "C.UTF-8", LANG: "C.UTF-8" },
    ...{ PYTHONPATH: dirname(library), PYTHONHASHSEED: "0", PYTHONDONTWRITEBYTECODE: "1", PYTHONNOUSERSITE: "1" },
    // Lines that are still in a buffer would be lost when the program is stopped.
    PYTHONUNBUFFERED: "1",
    CUDA_VISIBLE_DEVICES: "",
    ...env,
    ...Object.fromEntries(Object.entries(params.env).map(([name, value]) => [name, String(value)])),
    ...{ NOISELINE_STAGE: brief, NOISELINE_EVENTS: "3" },
  });
  const contained = box({
    ...{ programs: [params.program, started], readable, writable: [work, ...writable], project, store, temporary, cwd },
    ...{ net: params.net, gpu: env["CUDA_VISIBLE_DEVICES"] !== undefined },
    // A socket's path has at most 107 bytes: that of a store may be longer.
    env: vars("/tmp"),
  });
  const left = keepDescriptors() ? contained?.left : KEPT_OPEN;
  if (contained === undefined) emit({ type: "note", message: UNCONTAINED });
  else if (left !== undefined) emit({ type: "note", message: `bubblewrap cannot take all rights: ${left}` });
  const plain = () => ["/usr/bin/env", ...Object.entries(vars(temporary)).map(([name, value]) => `${name}=${value}`)];
  const starter = [...contained === undefined ? plain() : [], ...REDIRECT, ...contained?.argv ?? []];
  return { cwd, brief, library, starter, contained: contained !== undefined };
}

/**
 * Closes, for programs to be started, all that is open in this process, such as what a shell has left open: a folder by
 * its number leads out of any box. @returns true if that is done
 */
function keepDescriptors(): boolean {
  try {
    const parameters = ["u32", "u32", "i32"] as const;
    const libc = Deno.dlopen("libc.so.6", { close_range: { parameters, result: "i32" } });
    return libc.symbols.close_range(3, 0xffffffff, CLOSE_ON_EXEC) === 0;
  } catch {
    return false;
  }
}

/** Returns the program's arguments with everything filled in. */
function argsOf({ run }: FoundCommand, { params, inputs, outputs }: ReturnType<typeof briefOf>): string[] {
  const fill = (_: string, group: string, name: string) => {
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
  argv: readonly string[],
  { resumes, run, params, steps }: FoundCommand,
  { cwd, brief, starter, contained }: Place,
  options: CommandOptions,
): Promise<StageOutcome> {
  const { timeoutMs, memoryLimit, log, stop, home, emit } = options;
  // Disposal kills the program and everything that it started.
  using end = new DisposableStack();
  const child = end.use(
    new Child([...starter, ...argv], {
      // A stage's own variables act only where its program may act: programs that contain it get none of them.
      ...{ cwd, env: { NOISELINE_STAGE: brief }, timeoutMs, memory: memoryLimit, kill: options.kill, bare: true },
    }),
  );
  const killLeft = () => processesWith(brief, child.pid).forEach(({ pid }) => signalTo(pid, "SIGKILL"));
  end.defer(killLeft);
  child.onAbort(stop, () => {
    // Inside its box the program has a shell above it, and two processes of the box above that.
    const [main = child.pid] = contained ? descendantsOf(child.pid).slice(2) : [];
    // A launcher would give its ranks half a minute.
    const ranks = ranksOf(main);
    for (const pid of ranks.length > 0 ? ranks : [main]) signalTo(pid, "SIGTERM");
    child.killAfter(resumes ? STOP_GRACE_MS : SHORT_GRACE_MS);
  });
  await child.closeInput();

  let [step, isLeft, said, words] = [0, false, undefined as StageOutcome | undefined, undefined as string | undefined];
  let unread: readonly string[] | undefined;
  const listen = async (stdout: ReadableStream<Uint8Array>) => {
    for await (const line of streamLines(stdout, MAX_LINE)) {
      const event = parseJson(line, programEventSchema);
      if (event === undefined) log.keep(`not an event: ${line.slice(0, 400)}`);
      else if (event.type === "failed") said = { status: "failed", message: event.message, fix: event.fix };
      else if (event.type === "left") isLeft = true;
      else if (event.type === "unread") unread = unread?.filter((one) => event.params.includes(one)) ?? event.params;
      else if (event.type === "crashed") words ??= event.message;
      else if (event.type === "modules") {
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
  const reading = child.read(listen, (text) => log.keep(text));
  const { code, signal } = await child.ended;
  const left = options.kill.aborted || child.exceeded !== undefined ? [] : await waitForLeft(brief, child.pid);
  // Processes that are left may hold the streams open.
  killLeft();
  await reading;

  const stopped = explainStop(child, options, { outcome: said, smaller: SMALLER, step });
  if (stopped !== undefined) return stopped;
  // The shell in the box gives a code for the signal by which the program ended; it may have exited with this itself.
  const rank = RANK_KILLED.exec(code === 0 ? "" : log.tail())?.[1];
  const number = Number(rank ?? (contained ? code - 128 : 0));
  const by = signal ?? Object.entries(constants.signals).find(([, value]) => value === number)?.[0] as Deno.Signal;
  const lost = { code, signal: by, isGuess: signal === null && rank === undefined };
  if (by !== undefined) return describeLoss(child, lost, log.tail(), SMALLER);
  if (code !== 0) return explainExit(code, words ?? log.tail(), home);
  if (left.length === 0 && !isLeft) {
    const declared = [...Object.keys(params), ...steps === undefined ? [] : ["steps"]];
    const ignored = declared.filter((one) =>
      unread?.includes(one) && !run.some((text) => text.includes(`params.${one}}`))
    );
    if (ignored.length > 0) emit({ type: "note", message: `${NOT_READ} ${ignored.join(", ")}` });
    return { status: "complete" };
  }
  const names = left.map((one) => one.name).join(", ") || "processes that it started";
  return failed(`it ended while ${names} still ran; they were killed`, "let it wait for the processes that it starts");
}

/** Waits a moment for the processes to end that a program has left behind. @returns those that did not */
async function waitForLeft(brief: string, group: number): Promise<readonly { readonly name: string }[]> {
  for (const from = performance.now();;) {
    const left = processesWith(brief, group);
    if (left.length === 0 || performance.now() - from > LEFT_GRACE_MS) return left;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Explains why a program ended with a code other than 0, as far as its last words tell. */
function explainExit(code: number, said: string, home: string): StageOutcome {
  const module = /No module named '([\w.]+)'/.exec(said)?.[1]?.replaceAll(".", "/");
  const [, python, shell] = /No such file or directory: '(.+?)'|(\S+): No such file or directory/.exec(said) ?? [];
  const files = [module && `${module}.py`, module && `${module}/__init__.py`, python ?? shell].filter((one) => one);
  const file = files.find((one) => !isAbsolute(one!) && statIfThere(realPath(join(home, one!)))?.isFile);
  if (file !== undefined) return undeclared("reads", file, `\n${said}`);
  if (/Read-only file system/.test(said)) {
    const fix = "write to the folders of its outputs, of its progress, or the one in which it starts";
    return failed(`it wrote where it may not\n${said}`, fix);
  }
  if (said === "") return failed(`it exited with code ${code} and printed nothing`, "let it print why, then run again");
  return { status: "crashed", message: `it exited with code ${code}`, stack: said };
}

function undeclared(how: string, file: string, said = ""): StageOutcome {
  const fix = how === "reads"
    ? `add ${JSON.stringify(file)} to sources`
    : "add it to sources, or install it as a package";
  return failed(`it ${how} ${file}, which is not among its sources${said}`, fix);
}
