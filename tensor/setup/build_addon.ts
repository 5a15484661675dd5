import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { placesIn } from "../tensorflow/installation.ts";
import { requireProgram, runProgram } from "./programs.ts";

/** Read from the variable as make reads it: a program and, for `ccache g++`, its first arguments. */
const [COMPILER = "g++", ...COMPILER_ARGS] = (Deno.env.get("CXX") ?? "").split(/\s+/).filter((word) => word !== "");

export async function requireCompiler(): Promise<void> {
  await requireProgram(COMPILER, "build tfjs-node's addon", "g++");
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
    runProgram(COMPILER, [
      ...COMPILER_ARGS,
      ...["-shared", "-fPIC", "-O2", "-std=c++17", "-DNAPI_VERSION=8"],
      ...[headers, join(libraries, "include"), sources].map((include) => `-I${include}`),
      ...files,
      ...flags,
      "-Wl,-rpath,$ORIGIN/../../../site/tensorflow",
      ...["-o", output],
    ], { purpose: "build tfjs-node's addon", fix: "use g++ 9 or newer, or report what the compiler says" });
  await compile(["tfjs_backend.cc", "tfjs_binding.cc"].map((source) => join(sources, source)), addon, [
    `-L${libraries}`,
    ...["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"].map((library) => `-l:${library}`),
  ]);
  await compile([preloadSource], preload, ["-ldl"]);
}
