/**
 * The part of the engine that a cluster's job needs to execute its stage. `engine.ts` has this too, with everything
 * that commands need: each job would load that for nothing.
 *
 * @module
 */

export { JOB_EXIT, LIMIT_NEAR, runJob, waitForCache } from "../../engine/cluster/job.ts";
export { queueParts } from "../../engine/cluster/queue_parts.ts";
export { QUEUE } from "../../engine/cluster/slurm/slurm_queue.ts";
export { openSubmission } from "../../engine/cluster/submission.ts";
