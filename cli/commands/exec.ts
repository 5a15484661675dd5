import process from "node:process";
import type { Emit } from "noiseline/core";
import * as job from "noiseline/job";
import { type AnyCommand, type CliSettings, plainCommand } from "../command.ts";
import { parseWhole } from "../format/units.ts";
import { Exit, printLine, valueOf } from "../io.ts";
import { VERSIONS } from "../../package/program.ts";
import { TextReporter } from "../reporters.ts";

const EXAMPLES = `
  deno task exec /shared/cache/cluster/submissions/20261125T101502000-1a2b-3c4d5e6f --digest 1f… --part 3`;

/** `exec FOLDER` */
export function makeCommand(settings: CliSettings): AnyCommand {
  const codes =
    " Jobs call it; nobody else need. Exit codes: 0 done, 1 the stage failed, 2 this node or the submission " +
    "cannot be used, 75 saved and queued again.";
  return plainCommand("exec", EXAMPLES, codes)
    .argument("<folder>", "the submission")
    .requiredOption("--digest <sha256>", "of its head")
    .option("--part <n>", "execute the stage of this part that is the job's; without, queue what is left", parseWhole)
    .action(async (folder, { digest, part }) => {
      const stop = new AbortController();
      if (part !== undefined) {
        process.on("SIGUSR2", () => stop.abort(job.LIMIT_NEAR));
        process.on("SIGTERM", () => stop.abort("ended"));
      }
      const reporter = new TextReporter();
      const emit: Emit = (event) => {
        // Views that the job shows are deleted with its scratch folder, so their paths are not printed.
        const { view: _view, ...shown } = { view: undefined, ...event };
        if (shown.type !== "run-finished") reporter.emit(shown);
      };
      const given = { queue: job.QUEUE, emit, stop: stop.signal };
      const first = job.openSubmission(folder, digest);
      const waits = !first.ok && job.QUEUE.own() !== undefined && await job.waitForCache(folder, given);
      const submission = valueOf(waits ? job.openSubmission(folder, digest) : first);
      if (part === undefined) {
        const queued = await job.queueParts(submission, { queue: job.QUEUE, say: printLine });
        if (!queued.ok) throw new Exit(job.JOB_EXIT.failed, queued.diagnostics);
        // The queue had no room for the job that would queue the rest, so this job queues itself again.
        if (queued.value.stuck && await job.QUEUE.requeueOwn() !== undefined) throw new Exit(job.JOB_EXIT.failed);
        return;
      }
      const kinds = await settings.loadKinds();
      const { code, end, problems } = await job.runJob({ ...given, submission, part, kinds, versions: VERSIONS });
      if (end !== undefined) printLine(`attempt ${end.attempt} of job ${end.job} on ${end.node}: ${end.state}`);
      if (code !== job.JOB_EXIT.done) throw new Exit(code, problems);
    });
}
