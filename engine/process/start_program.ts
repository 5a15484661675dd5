/** Starts programs of the user's: in a box where that works, with few variables, and with a descriptor for events. */
import { box, privateFolders } from "./box.ts";
import { descendantsOf, processesWith, ranksOf, signalTo } from "./process_tree.ts";
import { Child } from "./runtime.ts";

const UNCONTAINED =
  "bubblewrap was not found: nothing contains this program; a process that it starts, and that clears its " +
  "environment, may outlive it";
const KEPT_OPEN = "it may use files that were open when noiseline started";
/** The fix for a program that takes too much memory. */
export const SMALLER = "use smaller parts";
/** A flag of Linux's close_range: descriptors are closed where another program starts. */
const CLOSE_ON_EXEC = 4;
/** The time that processes have to end which a program started, once it has ended itself. */
const LEFT_GRACE_MS = 2_000;
/**
 * Starts a program. Deno passes no descriptors beyond the first three: the program's third is the first, and what it
 * prints goes to the second. Processes to which it does not pass the third find that by its path.
 */
const REDIRECT = ["/bin/sh", "-c", 'export NOISELINE_PIPE=/proc/$$/fd/3; exec "$@" 3>&1 1>&2', "sh"];

/** Where a program runs, and what it may use there; see `BoxOptions`. All of it can be sent to another node. */
export interface Place extends Omit<Parameters<typeof box>[0], "temporary" | "env"> {
  /** Its variables, but for where its temporary files are. */
  readonly vars: Readonly<Record<string, string>>;
  /** The path of its brief, which is in the environment of the program and of all that it starts. */
  readonly brief: string;
  /** The memory that it may hold, in bytes. */
  readonly memory?: number | undefined;
}

/** The command line by which programs are started at a place. */
export interface Starter {
  /** The command line that the program's own follows. */
  readonly argv: readonly string[];
  /** True if it contains the program. */
  readonly contains: boolean;
  /** A note for the user about that. */
  readonly note: string | undefined;
}

/** Returns what programs are started with at a place. @param temporary a folder of theirs alone, on this machine */
export function starterAt(place: Place, temporary: string): Starter {
  // A Python tells which other folders it lists, and without a box it looks itself at what it opens.
  const open = [place.project, ...place.readable, ...place.writable];
  const watched = (contained: boolean) => JSON.stringify({ contained, closed: privateFolders(), open });
  // A socket's path has at most 107 bytes: that of a store may be longer.
  const env = { ...place.vars, TMPDIR: "/tmp", NOISELINE_WATCHED: watched(true) };
  const contained = box({ ...place, temporary, env });
  const left = keepDescriptors() ? contained?.left : KEPT_OPEN;
  if (contained !== undefined) {
    const note = left && `bubblewrap cannot take all rights: ${left}`;
    return { argv: [...REDIRECT, ...contained.argv], contains: true, note };
  }
  const vars = Object.entries({ ...env, TMPDIR: temporary, NOISELINE_WATCHED: watched(false) }).map(([name, value]) =>
    `${name}=${value}`
  );
  return { argv: ["/usr/bin/env", ...vars, ...REDIRECT], contains: false, note: UNCONTAINED };
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

/** How a program is started on each node of a job at once. */
export interface Spread {
  readonly nodes: number;
  /**
   * The command line, and its variables, of what starts `node.ts` on each node: it passes its input to all of them, and
   * on what they print. When one of them fails, it ends the others.
   */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The names of the variables that say to `node.ts` which node it is on, and at which address the first one is. */
  readonly names: Readonly<Record<"node" | "address", string>>;
}

/** A program that runs. Its disposal kills it and everything that it has started. */
export class StartedProgram implements Disposable {
  readonly child: Child;
  /** True if its code says, above 128, which signal ended it. */
  readonly saysSignals: boolean;

  /** @param input what `node.ts` is told, if the program is spread over nodes */
  constructor(
    argv: readonly string[],
    private readonly place: Pick<Place, "cwd" | "brief" | "memory">,
    private readonly how: Starter | Spread,
    private readonly options: Pick<ConstructorParameters<typeof Child>[1], "timeoutMs" | "kill">,
    input?: unknown,
  ) {
    const { cwd, brief, memory } = place;
    // A stage's own variables act only where its program may act: programs that contain it get none of them.
    const env = { NOISELINE_STAGE: brief, ..."env" in how ? how.env : {} };
    const limit = "nodes" in how ? undefined : memory;
    this.saysSignals = "nodes" in how || how.contains;
    this.child = new Child([...how.argv, ...argv], { ...options, cwd, env, memory: limit, bare: true });
    if (input === undefined) void this.child.closeInput();
    else void this.child.writeLine(input);
  }

  /** Asks the program to save and to end. */
  askToStop(): void {
    const { pid } = this.child;
    if ("nodes" in this.how) return void this.child.writeLine("stop");
    // Inside its box the program has a shell above it, and two processes of the box above that.
    const [main = pid] = this.how.contains ? descendantsOf(pid).slice(2) : [];
    // A launcher would give its ranks half a minute.
    const ranks = ranksOf(main);
    for (const one of ranks.length > 0 ? ranks : [main]) signalTo(one, "SIGTERM");
  }

  /**
   * Reads what the program says until it ends, and kills what it has left behind.
   * @returns its code, the signal that ended it, and the names of processes that it has left
   */
  async waitForEnd(...take: Parameters<Child["read"]>) {
    const reading = this.child.read(...take);
    const { code, signal } = await this.child.ended;
    const isKilled = this.options.kill?.aborted || this.child.exceeded !== undefined;
    const left = isKilled ? [] : await this.#waitForLeft();
    // Processes that are left may hold the streams open.
    this.#killLeft();
    await reading;
    return { code, signal, left };
  }

  #left() {
    return processesWith(this.place.brief, this.child.pid);
  }

  #killLeft(): void {
    this.#left().forEach(({ pid }) => signalTo(pid, "SIGKILL"));
  }

  /** Waits a moment for processes to end that the program has left. @returns the names of those that did not */
  async #waitForLeft(): Promise<readonly string[]> {
    for (const from = performance.now();;) {
      const left = this.#left();
      if (left.length === 0 || performance.now() - from > LEFT_GRACE_MS) return left.map(({ name }) => name);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  [Symbol.dispose](): void {
    this.#killLeft();
    this.child[Symbol.dispose]();
  }
}
