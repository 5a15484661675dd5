import { assertEquals, assertThrows } from "@std/assert";
import type { JobOrder } from "../../../../../engine/cluster/queue.ts";
import { complaintOf } from "../../../../../engine/cluster/slurm/ask.ts";
import { rangesOf, submitArguments } from "../../../../../engine/cluster/slurm/arguments.ts";
import { minutesOf } from "../../../../../engine/cluster/slurm/facts.ts";
import { reasonOf, releaseOf, secondsOf, stateOf, troubleOf } from "../../../../../engine/cluster/slurm/words.ts";

// Standard error of sbatch, squeue and scontrol 22.05.8 as recorded on the test cluster; the messages about the full
// queue and the order as newer versions print them.
const SAID: readonly (readonly [string, string, ReturnType<typeof troubleOf>])[] = [
  [
    "sbatch: error: invalid partition specified: nope\n" +
    "sbatch: error: Batch job submission failed: Invalid partition name specified\n",
    "invalid partition specified: nope; Invalid partition name specified",
    "refused",
  ],
  [
    "allocation failure: Requested node configuration is not available\n",
    "Requested node configuration is not available",
    "refused",
  ],
  [
    "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS " +
    "policy (job submit limit, user's size and/or time limits)\n",
    "AssocMaxSubmitJobLimit; Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
    "full",
  ],
  [
    "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates policy\n",
    "QOSMaxSubmitJobPerUserLimit; Job violates policy",
    "full",
  ],
  [
    "sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: Batch job submission failed: Job violates policy\n",
    "QOSMaxWallDurationPerJobLimit; Job violates policy",
    "refused",
  ],
  [
    "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n",
    "Slurm temporarily unable to accept job, sleeping and retrying",
    "full",
  ],
  [
    "sbatch: error: Slurm job queue full, sleeping and retrying\n",
    "Slurm job queue full, sleeping and retrying",
    "full",
  ],
  ["sbatch: error: Batch job submission failed: Job dependency problem\n", "Job dependency problem", "order"],
  [
    "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n",
    "Socket timed out on send/recv operation",
    "silent",
  ],
  [
    "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n",
    "Unable to contact slurm controller (connect failure)",
    "silent",
  ],
  [
    "sbatch: error: fetch_config: DNS SRV lookup failed\nsbatch: fatal: Could not establish a configuration source\n",
    "fetch_config: DNS SRV lookup failed; Could not establish a configuration source",
    "silent",
  ],
  ["slurm_load_jobs error: Invalid job id specified\n", "Invalid job id specified", "refused"],
  [
    "sbatch: unrecognized option '--frob=1'\nTry \"sbatch --help\" for more information\n",
    "unrecognized option '--frob=1'; Try \"sbatch --help\" for more information",
    "refused",
  ],
  ["sbatch: error: \x1b[31mbad\x07\n", "bad\\u0007", "refused"],
];

Deno.test("what Slurm's commands say is shown without what all say, and sorted by what to do next", () => {
  for (const [stderr, shown, trouble] of SAID) {
    assertEquals(complaintOf(stderr), shown);
    assertEquals(troubleOf(shown), trouble, shown);
  }
  assertEquals(troubleOf("no answer within 60 s"), "silent");
  assertEquals(troubleOf("there is no sbatch on the PATH of login1"), "refused");
  assertEquals(complaintOf("x".repeat(10_000)).length < 1_000, true);
});

Deno.test("states that may still end well are told from those that have ended, unknown ones among them", () => {
  const words = ["PENDING", "REQUEUED", "SPECIAL_EXIT", "RUNNING", "COMPLETING", "NODE_FAIL", "PREEMPTED", "NEW_STATE"];
  assertEquals(words.map(stateOf), [
    "waiting",
    "waiting",
    "waiting",
    "running",
    "ending",
    "failed",
    "preempted",
    "waiting",
  ]);
});

Deno.test("reasons come in plain words with Slurm's own, and unknown ones as they are", () => {
  assertEquals(reasonOf("Priority"), "for jobs that come first (Priority)");
  assertEquals(
    reasonOf("QOSMaxJobsPerUserLimit"),
    "a limit of the quality of service is reached (QOSMaxJobsPerUserLimit)",
  );
  assertEquals(reasonOf("AssocGrpGRES"), "a limit of the account is reached (AssocGrpGRES)");
  assertEquals(
    reasonOf("ReqNodeNotAvail, UnavailableNodes:n1"),
    "for nodes that are down or reserved (ReqNodeNotAvail, UnavailableNodes:n1)",
  );
  assertEquals(["None", "", "SomethingNew"].map(reasonOf), ["", "", "SomethingNew"]);
});

Deno.test("what holds a job is told from all that passes, with the command of its user", () => {
  const held = [
    "launch_failed_requeued_held",
    "job_requeued_in_held_state",
    "JobHeldUser",
    "JobHoldMaxRequeue",
    "JobHeldAdmin",
  ];
  assertEquals(held.map((word) => reasonOf(word).replace(/ \(.*/, "")), [
    "held, as it could not be started",
    "held when it was queued again",
    "held by the user",
    "held after too many starts in vain",
    "held by an administrator",
  ]);
  assertEquals(held.map(releaseOf), Array(5).fill("scontrol release"));
  assertEquals(["Priority", "None", "BeginTime"].map(releaseOf), Array(3).fill(undefined));
});

Deno.test("time limits as Slurm writes them", () => {
  assertEquals(["1:00:00", "30:00", "2-12:30:30", "infinite"].map(minutesOf), [60, 30, 3630.5, Infinity]);
});

const NEEDS = { cpus: 2, gpus: 0, options: [] };
const REQUEST = {
  name: "noiseline-x",
  comment: "c",
  script: "",
  needs: NEEDS,
  order: {},
  log: "/logs/50%j",
  folder: "/cache",
};

Deno.test("the options of sbatch: the user's first, numbers in ranges, no pattern in a path", () => {
  assertEquals(rangesOf([3, 0, 1, 7, 2]), "0-3,7");
  const needs = { cpus: 2, gpus: 1, memoryMiB: 500, minutes: 90, partition: "gpu", options: ["--no-requeue"] };
  const array = { children: [0, 1, 5], atOnce: 2 };
  const order = { afterOk: ["1", "2_3"], afterChild: ["4"], afterAny: ["5"], singleton: true };
  assertEquals(submitArguments({ ...REQUEST, needs, array, order, warnSeconds: 120, delaySeconds: 60 }), [
    "--no-requeue",
    "--nodes=1",
    "--ntasks=1",
    "--cpus-per-task=2",
    "--gres=gpu:1",
    "--partition=gpu",
    "--time=90",
    "--mem=500M",
    "--parsable",
    "--requeue",
    "--open-mode=append",
    "--kill-on-invalid-dep=yes",
    "--job-name=noiseline-x",
    "--comment=c",
    "--chdir=/cache",
    "--output=/logs/50%%j.%a",
    "--dependency=afterok:1:2_3,aftercorr:4,afterany:5,singleton",
    "--array=0-1,5%2",
    "--signal=B:USR2@120",
    "--begin=now+60",
  ]);
});

Deno.test("a job of several nodes has one task on each, which has all that the stage asks for", () => {
  const needs = { cpus: 4, gpus: 2, nodes: 3, options: ["--nodes=9"] };
  assertEquals(submitArguments({ ...REQUEST, needs }).slice(0, 6), [
    "--nodes=9",
    "--nodes=3",
    "--ntasks=3",
    "--ntasks-per-node=1",
    "--cpus-per-task=4",
    "--gres=gpu:2",
  ]);
});

Deno.test("one of several failures may be waited for, but not together with anything else", () => {
  const dependency = (order: Partial<JobOrder>) =>
    submitArguments({ ...REQUEST, order: { ...order } }).find((one) => one.startsWith("--dependency"));
  assertEquals(dependency({}), undefined);
  assertEquals(dependency({ afterFailureOfAny: ["1", "2"] }), "--dependency=afternotok:1?afternotok:2");
  assertEquals(dependency({ afterFailureOfAny: ["1"], singleton: true }), "--dependency=singleton,afternotok:1");
  assertThrows(() => dependency({ afterFailureOfAny: ["1", "2"], singleton: true }), Error, "one of some jobs");
});

Deno.test("times that a job has run are read in all of Slurm's forms", () => {
  assertEquals(["0:31", "1:02:03", "2-01:00:00", "INVALID", ""].map(secondsOf), [31, 3723, 176_400, 0, 0]);
});
