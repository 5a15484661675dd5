import { dirname, join } from "node:path";
import { CLONE, type Json, type Outcome, type ProcessOptions, Running } from "./cli_process.ts";
import type { Said } from "../unit/cli/capture.ts";

const MANY = join(CLONE, "tests/support/many_commands.ts");

/** Custom stages under `tests/support/stages` that a project may copy. */
export type StageName =
  | "cook"
  | "glutton"
  | "hostile"
  | "measure"
  | "misbehave"
  | "squares"
  | "stroll"
  | "trespass"
  | "walk";

export interface ProjectOptions {
  readonly files?: Readonly<Record<string, string>>;
  readonly stages?: readonly StageName[];
  /** True to leave out the deno.json that makes this folder the home of the store. */
  readonly bare?: boolean;
  /** The parent of the folder: for tests that start thousands of processes, a file system in memory. */
  readonly in?: string | undefined;
}

/** A temporary folder outside the clone with a pipeline in it, and the command line to run there. */
export class Project implements AsyncDisposable {
  readonly root: string;

  constructor(options: ProjectOptions = {}) {
    const { in: dir } = options;
    this.root = Deno.makeTempDirSync({ prefix: "noiseline-test-", ...(dir === undefined ? {} : { dir }) });
    if (options.bare !== true) this.write("deno.json", "{}");
    for (const name of options.stages ?? []) this.copy(`tests/support/stages/${name}.ts`, `${name}.ts`);
    for (const [name, text] of Object.entries(options.files ?? {})) this.write(name, text);
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  write(name: string, content: string | Uint8Array): void {
    Deno.mkdirSync(dirname(this.path(name)), { recursive: true });
    if (typeof content === "string") Deno.writeTextFileSync(this.path(name), content);
    else Deno.writeFileSync(this.path(name), content);
  }

  read(name: string): string {
    return Deno.readTextFileSync(this.path(name));
  }

  /** Copies a file of the clone. */
  copy(from: string, to: string): void {
    this.write(to, Deno.readFileSync(join(CLONE, from)));
  }

  remove(name: string): void {
    Deno.removeSync(this.path(name), { recursive: true });
  }

  exists(name: string): boolean {
    try {
      Deno.lstatSync(this.path(name));
      return true;
    } catch {
      return false;
    }
  }

  /** Returns the names directly below a folder, sorted; none if it does not exist. */
  list(name: string): string[] {
    return this.exists(name) ? Array.from(Deno.readDirSync(this.path(name)), (entry) => entry.name).sort() : [];
  }

  /** Returns the entries of a pipeline's outputs folder except its page: mostly its stages. */
  shown(outputs = "outputs/demo"): string[] {
    return this.list(outputs).filter((name) => name !== "report.html");
  }

  /** Returns all files below a folder, as sorted relative paths. */
  files(name: string): string[] {
    const found: string[] = [];
    const entriesOf = (folder: string) => {
      try {
        return [...Deno.readDirSync(folder)];
      } catch (error) {
        // A run that goes on may have removed the folder since it was listed.
        if (error instanceof Deno.errors.NotFound) return [];
        throw error;
      }
    };
    const visit = (folder: string, prefix: string) => {
      for (const entry of entriesOf(folder)) {
        if (entry.isDirectory) visit(join(folder, entry.name), `${prefix}${entry.name}/`);
        else found.push(`${prefix}${entry.name}`);
      }
    };
    visit(this.path(name), "");
    return found.sort();
  }

  start(args: readonly string[], options: Partial<ProcessOptions> = {}): Running {
    return new Running(args, { cwd: this.root, ...options });
  }

  async cli(args: readonly string[], options: Partial<ProcessOptions> = {}): Promise<Outcome> {
    await using running = this.start(args, options);
    return await running.outcome();
  }

  /** Runs commands one after the other in one process. */
  async each(commands: readonly (readonly string[])[]): Promise<Said[]> {
    const { code, json, stdout, stderr } = await this.cli([JSON.stringify(commands)], { main: MANY });
    if (code !== 0) throw new Error(`${code}: ${stdout}${stderr}`);
    return json;
  }

  /** Returns how often a stage's code was entered, over all runs: each of the test stages prints one line. */
  executions(stage: string): number {
    const line = /^(cooked|walking)$/;
    return this.list(".noiseline/runs").flatMap((run) => {
      const log = `.noiseline/runs/${run}/logs/${stage}.log`;
      return this.exists(log) ? this.read(log).split("\n").filter((text) => line.test(text)) : [];
    }).length;
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    Deno.removeSync(this.root, { recursive: true });
  }
}

/** Returns the digests of all artifacts by stage and port, from the output of `plan --json`. */
export function digestsOf(plan: Json): Record<string, Record<string, string>> {
  return Object.fromEntries(plan.stages.map((stage: Json) => [stage.id, stage.outputs]));
}
