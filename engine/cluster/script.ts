import { join } from "node:path";
import type { ClusterFile } from "../../schemas/cluster_file.ts";
import type { Submission } from "../../schemas/cluster_records.ts";
import { TOOLKIT_CONFIG, TOOLKIT_LOCK, TOOLKIT_ROOT } from "../process/module_lock.ts";
import { denoFolder } from "../process/runtime.ts";

/** The program of the command line, which the nodes find at the same path as this machine does. */
export const PROGRAM: string = join(TOOLKIT_ROOT, "cli/main.ts");

const SETTINGS = [`--config=${TOOLKIT_CONFIG}`, `--lock=${TOOLKIT_LOCK}`, "--frozen"];

/** How Deno starts on a node: with the toolkit's own settings, wherever it is started, and without a network. */
export const DENO_FLAGS: readonly string[] = ["--cached-only", "--quiet", "--node-modules-dir=none", ...SETTINGS];

/** What of the cluster's file goes into scripts: where Deno and its cache folder lie on the nodes is known by then. */
type NodeSettings = Pick<Submission["settings"], "setup" | "scratch" | "deno" | "packages">;

/** Where Deno and its cache folder, with the packages, lie on the nodes: as on this machine, where nothing else is said. */
export async function nodePaths({ deno, packages }: ClusterFile) {
  return { deno: deno ?? Deno.execPath(), packages: packages ?? await denoFolder() };
}

/** A word that means itself to a shell, wherever it stands: unquoted, `~` would be a home also after a colon. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** How each script begins: with what the user wants set up, and the folders of the node. */
export function scriptHead({ setup, scratch, packages }: NodeSettings): string[] {
  // Clusters define `module` for login shells; what those do to the path must not hide the commands of the queue.
  const profile = "path=$PATH; . /etc/profile >/dev/null 2>&1; PATH=$PATH:$path";
  // By traps, as a command may take several lines. In a trap that of DEBUG has line 1; a sourced file fails by its last.
  const watch = 'trap \'echo "noiseline setup fails: $(sed -n "$at p" "$0")" >&2; exit 2\' EXIT; ' +
    "trap '[ ${#BASH_SOURCE[@]} -gt 1 ] || exit' ERR; at=$((LINENO + 1)); trap '[ $LINENO = 1 ] || at=$LINENO' DEBUG";
  return [
    "#!/bin/bash",
    ...setup.length === 0 ? [] : [`${profile}; ${watch}`, ...setup, "trap - DEBUG ERR EXIT"],
    `export DENO_DIR=${quote(packages)}`,
    ...scratch === undefined ? [] : [`export TMPDIR=${quote(scratch)}`],
  ];
}

/**
 * The script of a job. Nothing of this process's environment goes in: the queue keeps scripts.
 * @param task which part of the submission it executes, or whatever else `exec` may be asked for
 */
export function jobScript(
  settings: NodeSettings,
  { folder, digest, task }: { readonly folder: string; readonly digest: string; readonly task: readonly string[] },
): string {
  const gone = `noiseline: this node does not see ${folder}: put the cache on a file system that all nodes have`;
  const command = [settings.deno, "run", "-A", ...DENO_FLAGS, PROGRAM, "exec", folder, "--digest", digest, ...task];
  return [
    ...scriptHead(settings),
    // Without the folder that it was submitted from, a job runs elsewhere and would find nothing there. A mount may be late.
    `for s in 2 4 8 16 32 0; do [ -d ${quote(folder)} ] && break`,
    `[ $s = 0 ] && { echo ${quote(gone)} >&2; exit 2; }; sleep $s; done`,
    // In place of the shell, so that signals come to it.
    `exec ${command.map(quote).join(" ")}`,
    "",
  ].join("\n");
}
