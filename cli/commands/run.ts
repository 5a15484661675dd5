import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Diagnostic, Emit, Pipeline, RunFinished, Store } from "noiseline/core";
import type { Cluster } from "noiseline/cluster";
import { checkUpToDate, digestExternals, finishUpToDate, importLate, recordUpToDate } from "noiseline/core";
import { definedOnly } from "../../std/defined_only.ts";
import { type AnyCommand, type CliSettings, collect, GRANT, ON, planCommand } from "../command.ts";
import { parseCount } from "../format/units.ts";
import { confirmLongRun, grantsFor, questionFor } from "../grants.ts";
import { EXIT, Exit, listenForStop, printDiagnostics, refuse, refuseWith } from "../io.ts";
import { clusterFor, loadForCommand, openCacheFor, openForCommand, usesSharedCache } from "../open.ts";
import { VERSIONS } from "../../package/program.ts";
import { openReporter } from "../reporters.ts";
import { currentPage } from "../../pages/results/current_page.ts";

const EXAMPLES = `
  deno task run pipelines/digits.yaml                         # all stages
  deno task run pipelines/digits.yaml --open                  # and watch in a browser
  deno task run pipelines/digits.yaml sample                  # only what "sample" needs
  deno task run pipelines/digits.yaml --set train.steps=1400  # continues the training
  deno task run pipelines/digits.yaml --force evaluate        # run it again, compare the bytes
  deno task run pipelines/digits.yaml --cache /mnt/team/noiseline                  # share results in a folder
  deno task run pipelines/digits.yaml --cache s3://team/noiseline --cache-mode read # read only
  deno task run pipelines/digits.yaml --on lab                # on a cluster, see docs/cluster.md
  deno task run pipelines/digits.yaml --mirror mlflow=http://localhost:5000        # see docs/trackers.md
  deno task run pipelines/digits.yaml --json                  # one event a line`;

/** `run FILE [STAGE…]` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return planCommand("run", EXAMPLES, " A second run does nothing.")
    .argument("[stages...]", "run only these stages and those they depend on")
    .option("-j, --jobs <n>", "stages to run at a time (default: one per core)", parseCount)
    .option("-k, --keep-going", "after a failure, still run what does not depend on it")
    .option("-f, --force <stage>", "run this stage again even if cached; repeatable", collect)
    .option("--force-all", "run all stages again")
    .option("--replace", "when a forced stage gives other bytes, keep the new ones")
    .option("--gpus <ids>", "GPUs to use, such as 0,1 (default: all)", (text) => text.split(",").filter(Boolean))
    .addOption(ON)
    .option("--detach", "with --on: submit, and do not wait")
    .option("--replace-queued", "with --on: cancel waiting jobs of an earlier version of this file")
    .option("--open", "show the run in a browser while it goes on; see `ui`")
    .option(
      "--mirror <tracker>",
      "send figures, previews, scores and the page: mlflow=ADDRESS, wandb or tensorboard=FOLDER; repeatable",
      collect,
    )
    .option("-y, --yes", "do not ask before a run that would take more than a day")
    .addOption(GRANT)
    .action(async (file, targets, options) => {
      const json = options.json ?? false;
      const started = performance.now();
      const on = options.on === undefined
        ? undefined
        : await importLate<typeof import("../run_on_cluster.ts")>(import.meta.resolve("../run_on_cluster.ts"));
      on?.refuseLocalOptions(options);
      if (on === undefined && (options.detach || options.replaceQueued)) {
        refuse("--detach and --replace-queued apply only to cluster jobs", "name it with --on");
      }
      const given = { file, ...options, targets };
      const opened = openForCommand(settings, given);
      const mirroring = options.mirror &&
        await importLate<typeof import("../mirror/open.ts")>(import.meta.resolve("../mirror/open.ts"));
      const isPlain = !options.forceAll && options.force === undefined && !usesSharedCache(options);
      const reporter = await openReporter(json);
      using ending = new DisposableStack();
      ending.defer(() => reporter.close());
      const say = (message: string) => reporter.emit({ type: "note", message });
      const warn = (diagnostic: Diagnostic) => reporter.emit({ type: "warning", diagnostic });
      const mirrors = mirroring?.openMirrors(options.mirror!, warn) ?? [];
      const warnOfAll = (all: readonly Diagnostic[]) => json ? all.forEach(warn) : printDiagnostics(all);
      const nothing = isPlain ? await checkUpToDate(opened.loader, opened.store, targets) : undefined;
      const known = nothing && currentPage(nothing.pipeline, opened.store.viewsOf(nothing.pipeline.name));
      if (nothing !== undefined && known !== undefined) {
        warnOfAll(opened.loader.warnings);
        const shown = { ...resultPaths(nothing.pipeline, opened.store), file, page: known };
        reporter.emit({ ...finishUpToDate(nothing, performance.now() - started), ...shown });
        if (options.open) await makePageOpener(opened.store, say)(newestPage(opened.store, nothing.pipeline.name));
        return;
      }

      const loaded = await loadForCommand(settings, given, opened);
      // The engine is imported only here, because a run with nothing to do must not load it.
      const { runPipeline } = await importLate<typeof import("noiseline/engine")>("noiseline/engine");
      const { pipeline, store } = loaded;
      const results = () => ({ file, ...resultPaths(pipeline, store) });
      const cluster = on && await clusterFor(settings, options.on!, pipeline.folder);
      const grants = await grantsFor(options.grant, pipeline, cluster);
      warnOfAll([...loaded.warnings, ...grants.problems]);
      // The finished event is held back and reported last, with the results of the run.
      const finished: RunFinished[] = [];
      const open = options.open ? makePageOpener(store, say, cluster) : undefined;
      const emit: Emit = (event) => {
        if (event.type === "run-started") open?.(`/run/${event.runId}`);
        for (const mirror of mirrors) mirror.hear(event);
        if (event.type === "run-finished") finished.push(event);
        else reporter.emit(event);
      };
      // Hashing yields to no signal, so it is done before Ctrl-C is listened to.
      const externals = digestExternals(pipeline, store.digests);
      using signals = listenForStop((reason) =>
        emit({ type: "stopping", reason: on === undefined ? reason : "leaving" })
      );
      const askForGrants = questionFor(json, signals.stop);
      if (cluster !== undefined) open?.("/");
      const reached = cluster && await on!.runOnCluster(pipeline, store, options, {
        ...definedOnly({ askForGrants }),
        cluster,
        ...{ named: targets, targets: loaded.targets, grants, versions: VERSIONS, stop: signals.stop },
        emit: (event) => reporter.emit(event.type === "run-finished" ? { ...event, ...results() } : event),
      });
      const result = await runPipeline(pipeline, store, {
        grants,
        ...definedOnly({ askForGrants, jobs: options.jobs, gpus: options.gpus }),
        ...(options.yes
          ? {}
          : { agree: (outlook) => confirmLongRun(outlook, pipeline, { json, say, stop: signals.stop }) }),
        ...reached ?? { targets: loaded.targets, externals, cache: await openCacheFor(options, warn, signals.stop) },
        force: new Set(options.forceAll ? pipeline.stages.keys() : loaded.force),
        replace: options.replace ?? false,
        keepGoing: options.keepGoing ?? false,
        emit,
        stop: signals.stop,
        kill: signals.kill,
        versions: VERSIONS,
      });
      if (result.ok) {
        const { runEnd } = await importLate<typeof import("../../pages/results/page.ts")>(
          import.meta.resolve("../../pages/results/page.ts"),
        );
        const end = signals.kill.aborted ? {} : await runEnd(pipeline, result.value, store, warn);
        const { status } = result.value;
        await Promise.all(mirrors.map((mirror) => mirror.close({ ...end, status }, signals.kill)));
        const whole = reached && { durationMs: performance.now() - started };
        for (const event of finished) reporter.emit({ ...event, ...whole, ...results(), ...end });
        await open?.(newestPage(store, pipeline.name), true);
      }
      ending.dispose();
      // Before the first run there was no store in which the loaded pipeline could be kept.
      opened.loader.keep();
      if (!result.ok) refuseWith(result.diagnostics);
      recordUpToDate(opened.loader, store, result.value);
      const { status } = result.value;
      if (status !== "done") throw new Exit(EXIT[status]);
    });
}

/** Returns the folder of a pipeline's results, and its interactive sampling pages. */
function resultPaths({ name, stages }: Pipeline, { paths }: Store) {
  const outputs = join(paths.outputs, name);
  const demos = [...stages.values()].filter(({ kind }) => kind.name === "demo");
  return { outputs, draws: demos.map(({ id }) => join(outputs, id, "demo.html")).filter(existsSync) };
}

/**
 * Returns a function that opens the first page it is given while the run goes on, and prints the page's address. On a
 * terminal it prints the address again at the end.
 */
function makePageOpener(store: Store, tell: (message: string) => void, cluster?: Cluster) {
  let shown: Promise<string> | undefined;
  const load = () =>
    importLate<typeof import("../../pages/server/start.ts")>(import.meta.resolve("../../pages/server/start.ts"));
  return async (of: string, isLast = false): Promise<void> => {
    const isNew = shown === undefined;
    shown ??= load().then(({ placeOf, showPage }) => showPage(placeOf(store, cluster), of));
    const said = await shown;
    if (isNew || isLast && process.stderr.isTTY === true) tell(said);
  };
}

/** Returns the address of the page for a pipeline's newest run, for when nothing runs now. */
function newestPage({ runs }: Store, pipeline: string): string {
  const newest = runs.newestFirst().find((run) => run.pipeline === pipeline);
  return newest === undefined ? "/" : `/run/${newest.runId}`;
}
