import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const TOOLKIT = fileURLToPath(new URL("../../../../", import.meta.url));

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Default: all permissions. */
  readonly permissions?: readonly string[];
}

export interface ChildResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a module in a separate process, with the toolkit's imports; `science/…` and `cli/…` in it are the toolkit's. */
export async function runModule(text: string, { env = {}, permissions = ["-A"] }: ChildOptions = {}) {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "main.ts");
    const root = new URL("../../../../", import.meta.url).href;
    await Deno.writeTextFile(file, text.replaceAll(/"(?=(?:science|cli)\/)/g, `"${root}`));
    const flags = [...permissions, "--no-prompt", "--no-check", "--cached-only", `--config=${TOOLKIT}deno.json`];
    return await runDeno(["run", ...flags, file], env);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Returns Deno's own cache folder, which lies in the user's cache unless it is set. */
async function denoDir(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"], stderr: "null" }).output();
  return (JSON.parse(new TextDecoder().decode(stdout)) as { denoDir: string }).denoDir;
}

/** Runs the command line with all permissions. */
export async function runCli(args: readonly string[], env: Readonly<Record<string, string>>): Promise<ChildResult> {
  return await runDeno(["run", "-A", `${TOOLKIT}cli/main.ts`, ...args], env);
}

async function runDeno(args: readonly string[], env: Readonly<Record<string, string>>): Promise<ChildResult> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    env: { NO_COLOR: "1", DENO_DIR: await denoDir(), ...env },
    stdout: "piped",
    stderr: "piped",
  }).output();
  return { code, out: new TextDecoder().decode(stdout).trim(), err: new TextDecoder().decode(stderr) };
}

/**
 * Makes a folder for `XDG_CACHE_HOME` in which TensorFlow seems to be set up: its addon exists, but is not a real one.
 */
export function pretendSetUp(gpu: boolean): string {
  const cache = Deno.makeTempDirSync();
  const kind = gpu ? "gpu" : "cpu";
  const folder = join(cache, "noiseline", "tensorflow", `${kind}-tfjs-node-4.22.0-tensorflow-2.21.0`);
  const addon = join(folder, "package", "lib", "napi-v8", "tfjs_binding.node");
  mkdirSync(dirname(addon), { recursive: true });
  writeFileSync(addon, "");
  writeFileSync(join(folder, "package", "package.json"), "{}");
  return cache;
}
