/**
 * The part of the engine that lets the jobs of a cluster's queue carry out actions, for the commands that name a
 * cluster. Nothing else in the engine needs it.
 *
 * @module
 */

export { checkFolders, type Cluster, loadCluster } from "../../engine/cluster/cluster_file.ts";
export { executorOfJobs } from "../../engine/cluster/executors.ts";
export { needsOf } from "../../engine/cluster/needs.ts";
export { isLive, type Queue, type QueuedJob, silenceOf } from "../../engine/cluster/queue.ts";
export { QUEUE } from "../../engine/cluster/slurm/slurm_queue.ts";
export type { OpenSubmission } from "../../engine/cluster/submission.ts";
export { liveOf, SubmissionReader } from "../../engine/cluster/submission_reader.ts";
export * from "../../engine/cluster/submission_state.ts";
export { fetchPackages, type SubmitOptions, submitPipeline, testNeeds } from "../../engine/cluster/submit.ts";
export { tryNode } from "../../engine/cluster/trial.ts";
export { watchJobs } from "../../engine/cluster/watch.ts";
