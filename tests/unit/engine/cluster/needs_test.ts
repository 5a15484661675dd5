import { assertEquals } from "@std/assert";
import { needsOf, queueRefusalError, warnSecondsOf, withJobResources } from "../../../../engine/cluster/needs.ts";
import type { JobNeeds } from "../../../../engine/cluster/queue.ts";
import { actionsOf } from "../../../../engine/keys/action.ts";
import { keysOfActions } from "../../../../engine/keys/keys.ts";
import type { Stage } from "../../../../engine/keys/stage.ts";
import { loadPipeline } from "../../../../engine/pipeline/load/load_pipeline.ts";
import { clusterFileSchema } from "../../../../schemas/cluster_file.ts";
import { definedOnly } from "../../../../std/defined_only.ts";
import { BUILTIN_KINDS } from "../../../../stages/mod.ts";
import { join } from "node:path";
import { makeTempFolder } from "../support/temp.ts";

const SMOKE = Deno.readTextFileSync(new URL("../../../../pipelines/smoke.yaml", import.meta.url));

/** Returns the stages `train`, with additions to its entry, and `schedule`, which computes nothing, of smoke.yaml. */
async function stagesOf(more: string = "", params: string = ""): Promise<{ train: Stage; schedule: Stage }> {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  Deno.writeTextFileSync(
    file,
    SMOKE.replace("uses: train\n", `uses: train\n${more}`).replace("steps: 30", `steps: 30\n${params}`),
  );
  const loaded = await loadPipeline(file, { kinds: BUILTIN_KINDS });
  if (!loaded.ok) throw new Error(loaded.diagnostics.map(({ message }) => message).join("\n"));
  return { train: loaded.value.stages.get("train")!, schedule: loaded.value.stages.get("schedule")! };
}

const settingsOf = (more: object) => clusterFileSchema.parse({ engine: "slurm", cache: "/cache", ...more });

const SETTINGS = {
  resources: { cpu: 2, memory: "4GiB" },
  time: "1h",
  partition: "cpu",
  account: "lab",
  sbatch: ["--nice"],
  kinds: {
    train: { resources: { gpu: 1, cpu: 3 }, partition: "gpu", time: "90s", sbatch: ["--constraint=a100"] },
  },
};

const NOTHING: JobNeeds = { cpus: 1, gpus: 0, options: [] };

const CASES: [name: string, stage: "train" | "schedule", more: string, settings: object, needs: JobNeeds][] = [
  ["nothing is said", "train", "", {}, NOTHING],
  ["the file says it for all", "schedule", "", SETTINGS, {
    cpus: 2,
    gpus: 0,
    memoryMiB: 4096 + 512,
    minutes: 60,
    partition: "cpu",
    account: "lab",
    options: ["--nice"],
  }],
  ["the file says it for the kind", "train", "", SETTINGS, {
    cpus: 3,
    gpus: 1,
    memoryMiB: 4096 + 512,
    minutes: 2,
    partition: "gpu",
    account: "lab",
    options: ["--nice", "--constraint=a100"],
  }],
  [
    "the stage says it",
    "train",
    "    resources: { cpu: 0, gpu: required, memory: 500MB }\n    timeout: 61s\n",
    { ...SETTINGS, qos: "high" },
    {
      cpus: 1,
      gpus: 1,
      // 500 MB are 476.8 MiB.
      memoryMiB: 477 + 512,
      minutes: 2,
      partition: "gpu",
      account: "lab",
      qos: "high",
      options: ["--nice", "--constraint=a100"],
    },
  ],
];

/** The action that computes all of a stage. */
const whole = (stage: Stage) => actionsOf([stage])[0]!;

for (const [name, stage, more, settings, needs] of CASES) {
  Deno.test(`needsOf() where ${name}`, async () => {
    assertEquals(definedOnly(needsOf(whole((await stagesOf(more))[stage]), settingsOf(settings))), needs);
  });
}

Deno.test("needsOf() prefers the cluster's file to what a kind says of itself, and the stage to both", async () => {
  const { train } = await stagesOf("    resources: { memory: 1GiB }\n");
  const kind = { ...train.kind, resources: { cpu: 7, gpu: 2, memory: "2GiB" } };
  const needs = needsOf(whole({ ...train, kind }), settingsOf({ resources: { cpu: 3 } }));
  assertEquals(definedOnly(needs), { cpus: 3, gpus: 2, memoryMiB: 1024 + 512, options: [] });
});

Deno.test("a stage that declares cpu computes with as many threads, unless it says how many", async () => {
  const cases: [more: string, params: string, threads: number | undefined][] = [
    ["", "", undefined],
    ["    resources: { cpu: 3 }\n", "", 3],
    ["    resources: { cpu: 0 }\n", "", 1],
    ["    resources: { gpu: 1 }\n", "", undefined],
    ["    resources: { cpu: 3 }\n", "      threads: 2\n", 2],
    ["", "      threads: 2\n", 2],
  ];
  const keys = new Set<string>();
  for (const [more, params, threads] of cases) {
    const { train, schedule } = await stagesOf(more, params);
    assertEquals(train.params["threads"], threads);
    assertEquals(withJobResources(train, settingsOf({ resources: { cpu: 5 } })).params["threads"], threads ?? 5);
    assertEquals(withJobResources(schedule, settingsOf({ resources: { cpu: 5 } })).params, schedule.params);
    const elsewhere = withJobResources(
      train,
      settingsOf({ resources: { cpu: 4, gpu: 1, memory: "9GiB" }, time: "1h" }),
    );
    for (const stage of [train, elsewhere]) {
      keys.add(keysOfActions(actionsOf([{ ...stage, inputs: {} }]), new Map([["train", {}]])).get("train")!.localKey);
    }
  }
  assertEquals(keys.size, 1);
});

Deno.test("withJobResources() gives a stage the resources of its job, and leaves its time to the job's limit", async () => {
  const { train } = await stagesOf("    resources: { gpu: required }\n    timeout: 10m\n");
  const there = withJobResources(train, settingsOf(SETTINGS));
  assertEquals(there.resources, { cpu: 3, gpu: "required", memory: "4GiB" });
  assertEquals(there.timeoutMs, undefined);
  assertEquals(needsOf(whole(train), settingsOf(SETTINGS)).minutes, 10);
});

Deno.test("warnSecondsOf() is two minutes, and of a short limit a fifth", () => {
  assertEquals(warnSecondsOf(NOTHING), 120);
  assertEquals([60, 10, 2, 1].map((minutes) => warnSecondsOf({ ...NOTHING, minutes })), [120, 120, 24, 12]);
});

Deno.test("queueRefusalError() places what the stage says itself at the stage, and all else in the cluster's file", async () => {
  const { train } = await stagesOf("    timeout: 30h\n    resources: { gpu: 9 }\n");
  const place = { locate: () => undefined, explain: () => [] };
  const settings = settingsOf({ ...SETTINGS, qos: "high" });
  const cluster = {
    name: "lab",
    file: "lab.yaml",
    settings,
    origins: place,
    partitions: ["cpu: 1 node"],
    stages: place,
    asks: [],
  };
  const pathOf = (said: string) => queueRefusalError(said, train, needsOf(whole(train), settings), cluster).path;
  assertEquals(pathOf("Requested node configuration is not available"), "stages.train.resources");
  assertEquals(pathOf("a time limit of 1800 minutes is above the partition's"), "stages.train.timeout");
  assertEquals(pathOf("Invalid account or account/partition combination specified"), "account");
  assertEquals(pathOf("Invalid qos specification"), "qos");
  assertEquals(pathOf("unrecognized option '--nise'"), "kinds.train.sbatch");
  assertEquals(pathOf("invalid partition specified: gpu"), "kinds.train.partition");
});
