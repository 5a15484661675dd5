import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { parentDeathGuard } from "noiseline/engine";
import { placesIn } from "../../science/tensor/tensorflow/installation.ts";
import { SetupFailure } from "./setup_failure.ts";

/** Read from the variable as make reads it: a program and, for `ccache g++`, its first arguments. */
const [COMPILER = "g++", ...COMPILER_ARGS] = (Deno.env.get("CXX") ?? "").split(/\s+/).filter((word) => word !== "");

/** @throws SetupFailure when there is no compiler. */
export function requireCompiler(): void {
  const folders = (Deno.env.get("PATH") ?? "").split(delimiter).filter((folder) => folder !== "");
  if (folders.some((folder) => existsSync(resolve(folder, COMPILER)))) return;
  throw new SetupFailure(`Cannot build tfjs-node's addon: ${COMPILER} is not on the PATH`, "apt-get install g++");
}

/**
 * A library that comes with a graphics driver, such as Mesa's LLVM, may be global in a process that has requested a
 * WebGPU adapter. TensorFlow has its own LLVM, and uses the other's functions if it is loaded like any addon, which
 * crashes the process. So this addon is loaded first, and loads TensorFlow with its own symbols.
 */
const PRELOAD = `
#include <dlfcn.h>
#include <node_api.h>
NAPI_MODULE_INIT() {
  if (dlopen("libtensorflow_cc.so.2", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND) == nullptr) {
    napi_throw_error(env, nullptr, dlerror());
  }
  return exports;
}
`;

/**
 * Compiles tfjs-node's addon against the libraries of a wheel, by their own names: a wheel has no `libtensorflow.so`,
 * but its `libtensorflow_cc.so.2` exports the whole C API. The addon finds them relative to itself, so the folder can
 * move.
 *
 * @param site the unpacked wheels @param headers folder of Node-API's headers
 */
export async function buildAddon(folder: string, site: string, headers: string): Promise<void> {
  const { root, addon, preload } = placesIn(folder);
  const sources = join(root, "binding");
  const libraries = join(site, "tensorflow");
  mkdirSync(dirname(addon), { recursive: true });
  const preloadSource = join(sources, "preload.cc");
  writeFileSync(preloadSource, PRELOAD);
  const compile = (files: readonly string[], output: string, flags: readonly string[] = []) =>
    runCompiler([
      ...["-shared", "-fPIC", "-O2", "-std=c++17", "-DNAPI_VERSION=8"],
      ...[headers, join(libraries, "include"), sources].map((include) => `-I${include}`),
      ...files,
      ...flags,
      "-Wl,-rpath,$ORIGIN/../../../site/tensorflow",
      ...["-o", output],
    ]);
  await compile(["tfjs_backend.cc", "tfjs_binding.cc"].map((source) => join(sources, source)), addon, [
    `-L${libraries}`,
    ...["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"].map((library) => `-l:${library}`),
  ]);
  await compile([preloadSource], preload, ["-ldl"]);
}

const LINES_SHOWN = 15;
const TIMEOUT_MS = 60 * 60_000;

/** @throws SetupFailure with the last lines of the compiler's output, if it fails */
async function runCompiler(args: readonly string[]): Promise<void> {
  const [guard, ...rest] = [...parentDeathGuard(), COMPILER, ...COMPILER_ARGS, ...args];
  const { success, code, signal, stdout, stderr } = await new Deno.Command(guard!, {
    args: rest,
    signal: AbortSignal.timeout(TIMEOUT_MS),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).output();
  if (success) return;
  const said = [stdout, stderr].flatMap((bytes) => new TextDecoder().decode(bytes).split("\n"));
  const tail = said.filter((line) => line.trim() !== "").slice(-LINES_SHOWN).map((line) => `\n  | ${line}`).join("");
  throw new SetupFailure(
    `Cannot build tfjs-node's addon: ${COMPILER} ended with ${signal ?? `exit code ${code}`}${tail}`,
    "use g++ 9 or newer, or report what the compiler says",
  );
}
