import { join } from "node:path";
import { box } from "../../engine/process/box.ts";
import { findProgram } from "../../engine/process/programs.ts";
import type { Project } from "./project.ts";

const NOTHING = { programs: [], readable: [], writable: [] };
/** Why programs cannot be contained here; undefined where they can. */
export const NO_BOX =
  box({ ...NOTHING, temporary: "/tmp", project: "/", store: "/tmp", cwd: "/", net: false, gpu: false, env: {} }) ===
      undefined
    ? "no bubblewrap that works"
    : undefined;
/** Why there are no programs in Python here; undefined where there are. */
export const NO_PYTHON = findProgram("python3", "/") === undefined ? "no python3" : undefined;

/** Returns an environment in which there seems to be no bubblewrap. */
export function withoutBox(project: Project): Record<string, string> {
  project.write("bin/bwrap", "#!/bin/sh\nexit 1\n");
  Deno.chmodSync(project.path("bin/bwrap"), 0o755);
  return { PATH: `${project.path("bin")}:${Deno.env.get("PATH")}` };
}

/** Returns the `--grant` options that a run without a terminal asks for. */
export async function askedGrants(
  project: Project,
  file: string,
  options: Parameters<Project["cli"]>[1] = {},
): Promise<string[]> {
  const { json } = await project.cli(["validate", file, "--json"], options);
  const asked = json.rights as readonly { readonly stage: string; readonly rights: readonly string[] }[];
  return asked.flatMap(({ stage, rights }) => ["--grant", `${stage}:${rights.join(",")}`]);
}

/** True if a process of a stage whose store is in a folder still runs. */
export function runsIn(project: Project): boolean {
  return Array.from(Deno.readDirSync("/proc")).some(({ name }) => {
    try {
      return Deno.readTextFileSync(join("/proc", name, "environ")).includes(`NOISELINE_STAGE=${project.root}/`);
    } catch {
      return false;
    }
  });
}
