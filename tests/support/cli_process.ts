import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the toolkit under test. */
export const CLONE: string = fileURLToPath(new URL("../../", import.meta.url));

const MAIN = `${CLONE}cli/main.ts`;

/** One line of `run --json`, or the one document that other commands print. */
// deno-lint-ignore no-explicit-any
export type Json = any;

/** A command that has ended. */
export interface Outcome {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The whole output as one JSON document. Throws if it is not one. */
  readonly json: Json;
  /** The output as JSON lines. Throws if a line is not JSON. */
  readonly events: readonly Json[];
}

export interface ProcessOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A command to put before Deno, such as one that drops privileges. */
  readonly prefix?: readonly string[];
  /** Flags for Deno itself. */
  readonly denoFlags?: readonly string[];
  /** An entry module to use instead of the command line's own. */
  readonly main?: string;
}

function parseLines(text: string): Json[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** A command that is running. Dispose of it to be sure that it does not outlive its test. */
export class Running implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #seen: Json[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #streams: Promise<void>[];
  #stdout = "";
  #stderr = "";
  #ended = false;

  constructor(args: readonly string[], options: ProcessOptions) {
    const { cwd, env = {}, prefix = [], denoFlags = [], main = MAIN } = options;
    const [program, ...rest] = [...prefix, Deno.execPath(), "run", "-A", ...denoFlags, main, ...args];
    this.#child = new Deno.Command(program!, {
      args: rest,
      cwd,
      // Rights that a test grants are stored in the test's own folder.
      env: { TERM: "xterm-256color", XDG_CONFIG_HOME: join(cwd, ".config"), ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#streams = [
      this.#read(this.#child.stdout, (text) => this.#takeOutput(text)).then(() => this.#end()),
      this.#read(this.#child.stderr, (text) => {
        this.#stderr += text;
        this.#wake();
      }),
    ];
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Sends a signal; a process that has just ended is no error. */
  signal(name: Deno.Signal): void {
    try {
      this.#child.kill(name);
    } catch (error) {
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Waits until the command has printed a text. Throws if the command ends without it. */
  async said(text: string, on: "stdout" | "stderr" = "stdout"): Promise<void> {
    while (!(on === "stdout" ? this.#stdout : this.#stderr).includes(text)) {
      if (this.#ended) throw new Error(`the command ended without saying "${text}":\n${this.#stdout}${this.#stderr}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Waits for a line of `--json` output. Throws, with the whole output, if the command ends without it. */
  async event(matches: (event: Json) => boolean): Promise<Json> {
    for (let next = 0;;) {
      for (; next < this.#seen.length; next++) if (matches(this.#seen[next])) return this.#seen[next];
      if (this.#ended) {
        throw new Error(`the command ended without the awaited event:\n${this.#stdout}\n${this.#stderr}`);
      }
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async outcome(): Promise<Outcome> {
    const [{ code, signal }] = await Promise.all([this.#child.status, ...this.#streams]);
    const [stdout, stderr] = [this.#stdout, this.#stderr];
    return {
      code,
      signal,
      stdout,
      stderr,
      get json() {
        return JSON.parse(stdout);
      },
      get events() {
        return parseLines(stdout);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.signal("SIGKILL");
    await this.outcome();
  }

  async #read(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  #takeOutput(text: string): void {
    const before = this.#stdout.lastIndexOf("\n") + 1;
    this.#stdout += text;
    const whole = this.#stdout.lastIndexOf("\n") + 1;
    for (const line of this.#stdout.slice(before, Math.max(before, whole)).split("\n")) {
      if (!line.startsWith("{") || !line.endsWith("}")) continue;
      this.#seen.push(JSON.parse(line));
    }
    this.#wake();
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}
