import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CLONE, type Outcome, type ProcessOptions, type Running } from "../cli_process.ts";
import { Project } from "../project.ts";
import type { Injection } from "./arm.ts";

/** Two stages, one in the engine's process and one in its own, with a file from outside and saved states. */
export const PIPELINE = `name: faults
stages:
  first: { uses: join, with: { text: first, file: data.txt } }
  walk: { uses: walk, inputs: { from: first }, with: { steps: 4 } }
`;

/** Faults to inject while a command runs; most commands have none. */
export interface Injections {
  /** Into the command itself. */
  readonly run?: Injection;
  /** Into the worker that the command starts. */
  readonly worker?: Injection;
}

/**
 * A folder with the fixture pipeline. An entry module of the tests injects faults into real processes. For the worker,
 * a `setpriv` of the tests does so, which is found before the system's and calls it; the code under test has no switch
 * for faults.
 */
export class FaultProject extends Project {
  /** @param place storage of the folder; only runs in this process can use memory */
  constructor(files: Readonly<Record<string, string>> = {}, place: "disk" | "memory" = "disk") {
    super({
      in: place === "memory" ? memoryFolder() : undefined,
      files: { "faults.yaml": PIPELINE, "data.txt": "data\n", ...files },
    });
    this.write("bin/setpriv", SETPRIV.replaceAll("FOLDER", this.path("bin")));
    Deno.chmodSync(this.path("bin/setpriv"), 0o755);
    Deno.mkdirSync(this.path("temp"));
  }

  /** Starts `run` with faults. */
  launch(
    args: readonly string[] = [],
    { run, worker }: Injections = {},
    options: Partial<ProcessOptions> & { readonly file?: string } = {},
  ): Running {
    const env: Record<string, string> = { TMPDIR: this.path("temp"), ...options.env };
    if (worker !== undefined) {
      const arm = JSON.stringify(join(CLONE, "tests/support/faults/arm.ts"));
      this.write("bin/preload.ts", `import { arm } from ${arm};\narm(${JSON.stringify(worker)});\n`);
      env["PATH"] = `${this.path("bin")}:${Deno.env.get("PATH")}`;
    }
    const main = fileURLToPath(import.meta.resolve("./cli.ts"));
    const { file = "faults.yaml" } = options;
    return this.start([JSON.stringify(run ?? null), "run", file, ...args, "--json"], {
      ...options,
      main,
      env,
    });
  }

  async run(args: readonly string[] = [], injections: Injections = {}): Promise<Outcome> {
    await using running = this.launch(args, injections);
    return await running.outcome();
  }

  /**
   * Returns the SHA-256 of every file that the user sees, except the page, which contains times. Anything beside the
   * stages' folders, such as a leftover, is included.
   */
  view(): Record<string, string> {
    const tell = (name: string) => name.endsWith("/report.html") ? "a page" : hashOf(this.path("outputs", name));
    return Object.fromEntries(this.files("outputs").map((name) => [name, tell(name)]));
  }

  /** Returns the digests of the outputs of all results that have a manifest, by resolved key. */
  results(): Record<string, string> {
    const found: Record<string, string> = {};
    for (const name of this.files(".noiseline/results").filter((one) => one.endsWith(".json"))) {
      const text = this.read(`.noiseline/results/${name}`);
      // A power failure may leave an invalid manifest; the engine does not accept it either.
      if (!text.endsWith("}\n") || text.includes("\0")) continue;
      const { resolvedKey, outputs } = JSON.parse(text);
      found[resolvedKey] = Object.entries(outputs as Record<string, { digest: string }>)
        .map(([port, { digest }]) => `${port} ${digest}`).sort().join(", ");
    }
    return found;
  }

  /** Returns the objects whose content does not match their names. */
  wrongObjects(): string[] {
    return this.files(".noiseline/objects").filter((name) =>
      /^[0-9a-f]{64}$/.test(basename(name)) && hashOf(this.path(".noiseline/objects", name)) !== basename(name)
    );
  }

  /** Returns the steps of the walks whose state is saved under its final name. */
  savedSteps(): number[] {
    const steps = this.files(".noiseline/progress").map((name) => /\/step-(\d+)\/manifest\.json$/.exec(name)?.[1]);
    return steps.filter((step) => step !== undefined).map(Number).sort((a, b) => a - b);
  }

  /** Copies everything from another project except its programs. */
  copyFrom(other: Project): void {
    for (const name of ["outputs", ".noiseline"]) copyTree(other.path(name), this.path(name));
  }
}

/** Returns a folder in memory, where flushing takes no time. Deno grants nothing below /dev to a stage's process. */
function memoryFolder(): string | undefined {
  try {
    return Deno.statSync("/dev/shm").isDirectory ? "/dev/shm" : undefined;
  } catch {
    return undefined;
  }
}

function hashOf(path: string): string {
  return createHash("sha256").update(Deno.readFileSync(path)).digest("hex");
}

/** Copies a folder with its modes and times. */
export function copyTree(from: string, to: string): void {
  const { success, stderr } = new Deno.Command("cp", { args: ["-a", from, to] }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/**
 * A script that is called as `setpriv --pdeathsig KILL deno run …`. It gives the worker the permissions, which no stage
 * has, to record its operations and to kill itself; the parts of the store that the worker may read and write stay the
 * same.
 */
const SETPRIV = `#!/bin/sh
case $* in
  *--allow-write=*) ;;
  *) exec /usr/bin/setpriv "$@" ;; # It only says what a stage is, and may do nothing.
esac
for arg; do
  shift
  case $arg in
    run) set -- "$@" run --allow-run "--preload=FOLDER/preload.ts" ;;
    --allow-write=*) set -- "$@" "$arg,FOLDER" ;;
    --allow-read=*) set -- "$@" "$arg,FOLDER" ;;
    *) set -- "$@" "$arg" ;;
  esac
done
exec /usr/bin/setpriv "$@"
`;
