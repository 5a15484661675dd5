import { join } from "node:path";
import type { ClusterFile } from "../../schemas/cluster_file.ts";
import type { Submission } from "../../schemas/cluster_records.ts";
import { errorOf, refuse, succeed } from "../diagnostic/diagnostic.ts";
import { TOOLKIT_CONFIG, TOOLKIT_LOCK, TOOLKIT_ROOT } from "../process/module_lock.ts";
import { denoFolder } from "../process/runtime.ts";

/** The program of the command line, at the same path on the nodes as on this machine. */
export const PROGRAM: string = join(TOOLKIT_ROOT, "cli/main.ts");

/** The module that runs a program on one of several nodes of a job. */
export const NODE: string = join(TOOLKIT_ROOT, "engine/process/node.ts");

const SETTINGS = [`--config=${TOOLKIT_CONFIG}`, `--lock=${TOOLKIT_LOCK}`, "--frozen"];

/**
 * Flags of Deno on a node: it takes the toolkit's own settings, from whatever folder it starts, and uses no network.
 */
export const DENO_FLAGS: readonly string[] = ["--cached-only", "--quiet", "--node-modules-dir=none", ...SETTINGS];

/**
 * The settings of the cluster's file that scripts contain, once it is known where Deno and its cache folder lie on the
 * nodes.
 */
type NodeSettings = Pick<Submission["settings"], "setup" | "scratch" | "deno" | "packages">;

/**
 * Returns the paths of Deno and of its cache folder, with the packages, on the nodes: those of this machine, unless the
 * cluster's file names others.
 */
export async function nodePaths({ deno = Deno.execPath(), packages }: ClusterFile) {
  const folder = packages ?? await denoFolder();
  return typeof folder === "string"
    ? succeed({ deno, packages: folder })
    : refuse<{ deno: string; packages: string }>([errorOf("machine", folder.error, "run again")]);
}

/**
 * Quotes a word so that a shell takes it literally, wherever the word stands: unquoted, `~` would be a home even after
 * a colon.
 */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Returns the beginning of each script: the user's setup, and the folders of the node. */
export function scriptHead({ setup, scratch, packages }: NodeSettings): string[] {
  // Clusters define `module` for login shells; their changes to the path must not hide the commands of the queue.
  const profile = "path=$PATH; . /etc/profile >/dev/null 2>&1; PATH=$PATH:$path";
  // Traps find the failing line, as a command may take several lines. Within a trap, the DEBUG trap sees line 1; a
  // sourced file fails with its last command.
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
 * Returns the script of a job. It contains nothing of this process's environment: the queue keeps scripts.
 * @param task the arguments of `exec`: the part of the submission to execute, or another request
 * @param log the file for what the job prints; for a child of an array with `.<number>` after it
 */
export function jobScript(
  settings: NodeSettings,
  { folder, digest, task, log }: Readonly<Record<"folder" | "digest" | "log", string> & { task: readonly string[] }>,
): string {
  const gone = `noiseline: this node does not see ${folder}: put the cache on a file system that all nodes have`;
  const command = [settings.deno, "run", "-A", ...DENO_FLAGS, PROGRAM, "exec", folder, "--digest", digest, ...task];
  const [shell, ...head] = scriptHead(settings);
  const job = "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}";
  return [
    shell,
    // If its folder is missing, a job starts in another one and would find nothing there. A mount may be late, or
    // away for as long as `exec` waits for it.
    `for s in 2 4 8 16 32 60 60 60 0; do [ -d ${quote(folder)} ] && break`,
    `[ $s = 0 ] && { echo ${quote(gone)} >&2; exit 2; }; sleep $s; done`,
    // The queue itself writes nowhere: it starts no job whose output lies where a mount is away just then.
    `exec >> ${quote(log)}"\${SLURM_ARRAY_TASK_ID:+.$SLURM_ARRAY_TASK_ID}" 2>&1`,
    // Names the node, for a stage whose job ends before `exec` leaves a record.
    ...task.includes("--part")
      ? [`: > ${quote(`${folder}/ends/`)}"${job}.\${SLURM_RESTART_COUNT:-0}.$SLURMD_NODENAME.node"`]
      : [],
    ...head,
    // The program takes the place of the shell, so that signals reach it.
    `exec ${command.map(quote).join(" ")}`,
    "",
  ].join("\n");
}
