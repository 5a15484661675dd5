import type { Cluster } from "noiseline/cluster";
import { diagnosticToJson, type Grants, importLate, notGranted, tryDevice, withDeviceHere } from "noiseline/core";
import { type AnyCommand, type CliSettings, GRANT, ON, pipelineCommand, printingAnswer } from "../command.ts";
import { countOf, gatherNotes } from "../format/units.ts";
import { describeRights, grantsFor, questionFor } from "../grants.ts";
import { EXIT, Exit, listenForStop, printError, refuseWith } from "../io.ts";
import { clusterFor, loadForCommand, makePlanner } from "../open.ts";

const EXAMPLES = `
  deno task validate pipelines/digits.yaml
  deno task validate pipelines/digits.yaml --set train.batchSize=0
  deno task validate pipelines/digits.yaml --on lab   # submits a one-minute test job`;

const MORE = " With --on, it also submits a one-minute test job to the cluster.";

/** `validate FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  const command = pipelineCommand("validate", EXAMPLES, MORE).addOption(ON).addOption(GRANT);
  return command.action(printingAnswer(async (file, options) => {
    const loaded = await loadForCommand(settings, { file, ...options, allowMissingInputs: options.on === undefined });
    makePlanner(loaded);
    const { pipeline, warnings } = loaded;
    const stages = [...pipeline.stages.values()];
    const cluster = options.on === undefined ? undefined : await clusterFor(settings, options.on, pipeline.folder);
    const grants = await grantsFor(options.grant, pipeline, cluster);
    const there = cluster && await checkCluster(cluster, loaded, grants, options.json === true);
    grants.keep();
    const rights = describeRights(await Promise.all(stages.map((one) => withDeviceHere(one, tryDevice))), pipeline);
    const notes = stages.flatMap(({ id, notes = [] }) => notes.map((note) => [id, note] as const));
    const { given } = pipeline;
    const part = given.length === 0 ? "" : `; ${given.join(", ")} will be checked where it is a stage`;
    const said = warnings.length === 0 ? "" : `, ${countOf(warnings.length, "warning")}`;
    return {
      data: {
        ok: true,
        pipeline: pipeline.name,
        stages: stages.length,
        given,
        diagnostics: warnings.map(diagnosticToJson),
        notes: notes.map(([id, note]) => `stage "${id}": ${note}`),
        rights: rights.data,
        ...there && { cluster: there.data },
      },
      diagnostics: warnings,
      lines: [
        `${file}: valid (${countOf(stages.length, "stage")}${said})${part}`,
        ...gatherNotes(notes).map((note) => `note: stage ${note}`),
        ...rights.lines,
        ...there?.lines ?? [],
      ],
    };
  }));
}

/**
 * Checks that a cluster can run the stages: asks the queue about each kind of job, and runs short jobs that check the
 * nodes.
 */
async function checkCluster(
  cluster: Cluster,
  loaded: Awaited<ReturnType<typeof loadForCommand>>,
  grants: Grants,
  quiet: boolean,
) {
  const jobs = await importLate<typeof import("noiseline/cluster")>("noiseline/cluster");
  const { checkFolders, fetchPackages, needsOf, QUEUE: queue, silenceOf, testNeeds, tryNode } = jobs;
  const { name: on } = cluster;
  using signals = listenForStop(() => {});
  const refused = grants.open(cluster.asks);
  if (refused.length > 0 && await questionFor(quiet, signals.stop)?.(refused) !== true) {
    refuseWith([notGranted(refused, cluster.origins)]);
  }
  refused.forEach((one) => grants.add(one));
  grants.keep();
  const planned = [...makePlanner(loaded, { remote: true }).planOffline().values()];
  const stages = planned.map(({ stage }) => stage);
  const needs = new Map(planned.map((action) => [action.id, needsOf(action, cluster.settings)]));
  const facts = await queue.describe(needs.values().next().value);
  if ("silent" in facts) refuseWith([silenceOf(facts.silent)]);
  const context = { queue, cluster, stop: signals.stop, say: (line: string) => quiet || printError(line) };
  const wrong = new Map(checkFolders(cluster).map((one) => [one.path, one]));
  const problems = [...wrong.values(), ...await testNeeds(planned, needs, loaded.pipeline, { ...context, ...facts })];
  const unfetched = wrong.has("packages") ? undefined : await fetchPackages(planned, cluster.settings, true, context);
  if (unfetched !== undefined) problems.push(unfetched);
  const nodes: string[] = [];
  // One trial job for each partition, whose nodes may differ, with the fewest GPUs that any stage takes there.
  const byGpus = [...needs.values()].sort((a, b) => b.gpus - a.gpus);
  const trials = wrong.has("cache") ? [] : new Map(byGpus.map((one) => [one.partition, one])).values();
  for (const one of trials) {
    const trial = await tryNode(cluster, one, stages, context);
    problems.push(...trial.problems.filter(({ path }) => !wrong.has(path)));
    // The queue has already reported this problem.
    if (trial.refused !== undefined && problems.length === 0) problems.push(trial.refused);
    nodes.push(trial.node ?? "no node");
  }
  if (signals.stop.aborted) throw new Exit(EXIT.interrupted);
  if (problems.length > 0) refuseWith(problems);
  return {
    data: { name: on, file: cluster.file, nodes, partitions: facts.partitions, needs: Object.fromEntries(needs) },
    lines: [`${cluster.file}: ${on} can run it (Slurm ${facts.version}, tried on ${nodes.join(", ")})`],
  };
}
