import { arrayOf, helpersOf, silenceOf } from "noiseline/cluster";
import { actionsOf, type Pipeline, waitsOf } from "noiseline/engine";
import { inspectCluster } from "../clusters.ts";
import { type AnyCommand, type CliSettings, ON, pipelineCommand, printingAnswer } from "../command.ts";
import { countOf, shortList } from "../format/units.ts";
import { fail, formatTable, refuse, refuseWith } from "../io.ts";
import { clusterFor, loadForCommand } from "../open.ts";

const EXAMPLES = `
  deno task cancel pipelines/digits.yaml --on lab         # all jobs of the pipeline
  deno task cancel pipelines/digits.yaml train --on lab   # those of "train" and of what waits for it`;

const MORE = " Only your own jobs. It needs --on. What jobs have saved is kept: run the pipeline again to go on.";

/** `cancel FILE [STAGE…] --on NAME` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("cancel", EXAMPLES, MORE)
    .argument("[stages...]", "cancel only these stages and those that wait for them")
    .addOption(ON)
    .action(printingAnswer(async (file, named, options) => {
      if (options.on === undefined) refuse("cancel needs --on", "name the cluster with --on NAME");
      const { pipeline, targets } = await loadForCommand(settings, { file, ...options, targets: named });
      const cluster = await clusterFor(settings, options.on, pipeline.folder);
      const { queue, jobs, queueError, submissions, stages } = await inspectCluster(cluster, pipeline.name);
      if (queueError !== undefined) refuseWith([silenceOf(queueError)]);
      const wanted = withFollowers(pipeline, targets);
      const live = stages().toArray().flatMap(({ id, job }) =>
        job !== undefined && /^(waiting|running|suspended)$/.test(job.state)
          ? [{ id, job: job.id, state: job.state }]
          : []
      );
      const isFound = ({ id }: { readonly id: string }) => named.length === 0 || wanted.has(id);
      const { found = [], kept = [] } = Object.groupBy(live, (one) => isFound(one) ? "found" : "kept");
      // Helper jobs are cancelled only with the whole pipeline, because they would submit the cancelled jobs again. If
      // only some stages are cancelled, the helpers still have to submit the rest.
      const helpers = named.length > 0
        ? []
        : submissions().flatMap((one) => helpersOf(one, jobs)).map(({ id }) => id).toArray();
      // An array job that is cancelled completely is named by its single id.
      const shared = new Set(kept.map(({ job }) => arrayOf(job)));
      const ids = new Set([...helpers, ...found.map(({ job }) => shared.has(arrayOf(job)) ? job : arrayOf(job))]);
      const trouble = ids.size === 0 ? undefined : await queue.cancel([...ids]);
      const list = `see \`deno task runs --on ${options.on}\``;
      if (trouble !== undefined) fail(`the jobs cannot be cancelled: ${trouble}`, list);
      const what = named.length === 0 ? "this pipeline" : shortList(named);
      const count = countOf(found.length + helpers.length, "job");
      const rows = found.map(({ id, job, state }) => [`  ${id}`, `job ${job}`, state]);
      return {
        data: { cancelled: found, helpers },
        lines: [ids.size === 0 ? `no jobs of ${what} are queued` : `cancelled ${count}`, ...formatTable(rows)],
      };
    }));
}

/** Returns the actions of the named stages, and of all stages that read them or wait for them. */
function withFollowers({ stages }: Pipeline, targets: readonly string[]): ReadonlySet<string> {
  const actions = actionsOf(stages.values());
  const found = new Set(actions.filter(({ stage }) => targets.includes(stage.id)).map(({ id }) => id));
  for (const [id, { requires }] of waitsOf(actions)) if (requires.some((one) => found.has(one))) found.add(id);
  return found;
}
