import { assertEquals } from "@std/assert";
import { encode } from "fast-png";
import { encodeNpy } from "../../science/formats/npy.ts";
import type { Json } from "../support/cli_process.ts";
import { copyTree } from "../support/faults/project.ts";
import { digestsOf, Project } from "../support/project.ts";
import { ALL, forEachOf, seededRandom, Tally } from "../support/faults/tally.ts";
import { findTorch } from "../../science/tensor/torch/installation.ts";
import { childrenOf, killIfThere, onlyIf } from "../support/proc.ts";

/** Kills of each kind of stage, over the data that it takes. */
const KILLS = ALL ? 20 : 5;

const SEED = 11;
const OFTEN = "saveEverySeconds: 0";
const UNET = "{ channels: 4, multipliers: [1, 2], blocks: 1, attention: [] }";
const ATTENDING = "{ channels: 4, multipliers: [1, 2], blocks: 1, attention: [8] }";
const AUTOENCODER = "{ channels: 4, multipliers: [1, 2], blocks: 1, latentChannels: 2 }";
const MLP = "{ uses: ./points_mlp.ts, depth: 1, width: 8 }";

/** The stages of all data; `data` and `more` are those of one. */
const pipeline = (data: string, model: string, more = "", device = "auto") =>
  `name: kills
stages:
  data: { uses: dataset, with: { ${data}, testCount: 12, ${OFTEN} } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  train:
    uses: train
    inputs: { images: data.train, schedule: schedule }
    with: { model: ${model}, steps: 10, batchSize: 8, device: ${device}, ${OFTEN} }
  evaluate:
    uses: evaluate
    inputs: { checkpoint: train, images: data.test }
    with: { batchSize: 4, device: ${device}, ${OFTEN} }
  sample:
    uses: sample
    inputs: { checkpoint: train }
    with: { count: 16, batchSize: 4, sampler: { name: ddim, steps: 4 }, device: ${device}, ${OFTEN} }
  neighbours:
    uses: neighbours
    inputs: { samples: sample, training: data.train, heldOut: data.test }
    with: { count: 12 }
${more}`;

const DRAWN = `
  interpolate:
    uses: interpolate
    inputs: { checkpoint: train, images: data.test }
    with: { pairs: 2, points: 4, timestep: 500, batchSize: 4, sampler: { name: ddim, steps: 4 }, ${OFTEN} }
  inpaint:
    uses: inpaint
    inputs: { checkpoint: train, images: data.test }
    with: { count: 8, batchSize: 4, sampler: { name: ddim, steps: 4, eta: 1 }, ${OFTEN} }
`;

const JUDGED = `
  classifier:
    uses: classifier
    inputs: { images: data.train, test: data.test }
    with: { base: 4, steps: 8, batchSize: 8, ${OFTEN} }
  features: { uses: features, inputs: { images: data.test, classifier: classifier }, with: { batchSize: 4 } }
  drawn: { uses: features, inputs: { images: sample, classifier: classifier }, with: { batchSize: 4 } }
  score: { uses: score, inputs: { real: features, fake: drawn } }
`;

const COUNT = 60;
const waves = (length: number) => Float32Array.from({ length: COUNT * length }, (_, i) => 300 * Math.sin(i * i % 97));

interface Set {
  readonly yaml: string;
  readonly lay: (project: Project) => void;
}

const SETS: Readonly<Record<string, Set>> = {
  "16-bit images of 8x12": {
    yaml: pipeline("source: folder, path: own, channels: 1, depth: 16, size: [8, 12]", UNET, DRAWN + JUDGED),
    lay(project) {
      for (let i = 0; i < COUNT; i++) {
        const data = Uint16Array.from({ length: 96 }, (_, at) => (i * 977 + at * (i % 5) * 523) % 65_536);
        project.write(`own/${"ab"[i % 2]}/${i}.png`, encode({ width: 12, height: 8, channels: 1, depth: 16, data }));
      }
    },
  },
  "floats of 8x4 with two channels, by their moments": {
    yaml: pipeline("source: numpy, path: own.npy", UNET, DRAWN),
    lay: (project) => project.write("own.npy", encodeNpy({ shape: [COUNT, 8, 4, 2], data: waves(64) })),
  },
  "images of 8x8 and their latents": {
    yaml: `name: kills
stages:
  data: { uses: dataset, with: { source: numpy, path: own.npy, shape: [8, 8, 1], testCount: 12, ${OFTEN} } }
  autoencoder:
    uses: autoencoder
    inputs: { images: data.train }
    with: { model: ${AUTOENCODER}, steps: 10, batchSize: 8, ${OFTEN} }
  latents: { uses: encode, inputs: { images: data.test, autoencoder: autoencoder }, with: { batchSize: 4 } }
  decoded: { uses: decode, inputs: { samples: latents, autoencoder: autoencoder }, with: { batchSize: 4 } }
`,
    lay(project) {
      const data = Uint8Array.from({ length: COUNT * 64 }, (_, i) => i * i % 251);
      project.write("own.npy", encodeNpy({ shape: [COUNT, 8, 8, 1], data }));
    },
  },
  points: {
    yaml: pipeline("source: numpy, path: own.npy, shape: [1, 1, 2]", MLP) +
      "  score: { uses: score, inputs: { real: data.test, fake: sample }, with: { fd: false } }\n",
    lay(project) {
      project.write("own.npy", encodeNpy({ shape: [COUNT, 2], data: waves(2) }));
      project.copy("pipelines/points_mlp.ts", "points_mlp.ts");
    },
  },
};

/** Samples and gradients of PyTorch's kernels, over images. */
const ON_TORCH: typeof SETS = {
  "images of 8x8 on torch": {
    yaml: pipeline("source: numpy, path: own.npy, shape: [8, 8, 1]", ATTENDING, "", "torch, threads: 1"),
    lay: SETS["images of 8x8 and their latents"]!.lay,
  },
};

/** A network of one's own runs native code of the device. */
const GRANTS = ["train", "evaluate", "sample"].flatMap((stage) => ["--grant", `${stage}:native`]);
const run = (project: Project, ...stages: readonly string[]) => {
  const grants = project.exists("points_mlp.ts") ? GRANTS : [];
  return project.start(["run", "p.yaml", ...stages, ...grants, "--json"]);
};
const digests = async (project: Project): Promise<Json> =>
  digestsOf((await project.cli(["plan", "p.yaml", "--json"])).json);

/** A stage to kill, and the time that it takes. */
interface Target {
  readonly set: string;
  readonly id: string;
  readonly kind: string;
  readonly resolvedKey: string;
  readonly durationMs: number;
  readonly whole: Project;
  readonly expected: Json;
}

/** Runs the pipeline of a set without disturbance. @returns its stages that have a process of their own */
async function targetsOf(set: string, { yaml, lay }: Set, whole: Project): Promise<Target[]> {
  whole.write("p.yaml", yaml);
  lay(whole);
  await using running = run(whole);
  const outcome = await running.outcome();
  assertEquals(outcome.code, 0, outcome.stdout + outcome.stderr);
  const { stages } = JSON.parse(whole.read(`.noiseline/runs/${outcome.events.at(-1).runId}/run.json`));
  const timings = whole.read(".noiseline/timings.jsonl").trimEnd().split("\n").map((line) => JSON.parse(line));
  const expected = await digests(whole);
  return timings.filter(({ kind }) => kind !== "schedule").map(({ stage: id, kind, durationMs }) => {
    return { set, id, kind, durationMs, whole, expected, resolvedKey: stages[id].resolvedKey };
  });
}

/** Kills the process of a stage, once there is one: before, a run asks Deno for the packages of its code. */
async function killWorker(pid: number, outcome: Promise<unknown>): Promise<void> {
  let isOver = false;
  outcome.then(() => isOver = true);
  const isWorker = (child: number) => Deno.readTextFileSync(`/proc/${child}/cmdline`).includes("\0--allow-write=");
  while (!isOver) {
    try {
      const found = childrenOf(pid).find(isWorker);
      if (found !== undefined) return killIfThere(found);
    } catch (error) {
      // Whoever was looked at has just ended.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

Deno.test(
  "every kind of stage that is killed at random, for data of any type, ends with the same bytes",
  () => killAtRandom(SETS, () => true, 13),
);

Deno.test({
  ...onlyIf(
    "folder" in findTorch(),
    "device torch is not set up (deno task setup:torch)",
    "a training and a sampling on torch that are killed at random end with the same bytes",
  ),
  fn: () => killAtRandom(ON_TORCH, (kind) => kind === "train" || kind === "sample", 2, " on torch"),
});

async function killAtRandom(sets: typeof SETS, has: (kind: string) => boolean, count: number, where = "") {
  await using kept = new AsyncDisposableStack();
  const targets: Target[] = [];
  for (const [name, set] of Object.entries(sets)) {
    targets.push(...(await targetsOf(name, set, kept.use(new Project()))).filter(({ kind }) => has(kind)));
  }
  const random = seededRandom(SEED);
  const kinds = Map.groupBy(targets, ({ kind }) => kind);
  assertEquals(kinds.size, count);
  const tallies = new Map(
    [...kinds.keys()].map((kind) => [kind, new Tally(`SIGKILL of ${kind}${where}, seed ${SEED}`, KILLS)]),
  );
  // All random numbers are generated first, so that they do not depend on which stage ends first.
  const tasks = targets.map((target) => {
    const kills = Math.ceil(KILLS / kinds.get(target.kind)!.length);
    const strikes = Array.from({ length: kills }, () => ({ after: random(), worker: random() < 0.5 }));
    return { ...target, strikes };
  });
  await forEachOf(tasks, async ({ set, id, kind, resolvedKey, durationMs, whole, expected, strikes }) => {
    await using project = new Project();
    project.remove("deno.json");
    copyTree(`${whole.root}/.`, project.root);
    const forget = () => {
      project.remove(`.noiseline/results/${resolvedKey.slice(0, 2)}/${resolvedKey}.json`);
      if (project.exists(".noiseline/progress")) project.remove(".noiseline/progress");
    };
    forget();
    /** Fails if anything that the stages made is not what they make undisturbed. */
    const compare = async (wrong: string[]) => {
      for (const [stage, ports] of Object.entries(await digests(project))) {
        const [got, wanted] = [JSON.stringify(ports), JSON.stringify(expected[stage])];
        if (got !== wanted) wrong.push(`${stage} has ${got}, not ${wanted}`);
      }
    };
    let [saved, spanMs] = [0, durationMs];
    for (let k = 0; k < strikes.length;) {
      const { after, worker } = strikes[k]!;
      const verdict = { lost: [] as string[], wrong: [] as string[] };
      await using running = run(project, id);
      // A run may have been killed between its result and its end.
      const started = await running.event(({ type }) => type === "stage-started").catch(() => ({
        id,
        fromStep: saved,
      }));
      if (started.id !== id) verdict.lost.push(`${started.id} was finished and ran again`);
      if ((started.fromStep ?? 0) < saved) verdict.lost.push(`it saved ${saved} and began at ${started.fromStep ?? 0}`);
      const outcome = running.outcome();
      const isOver = await Promise.race([
        outcome.then(() => true),
        new Promise((resolve) => setTimeout(resolve, after * spanMs)),
      ]);
      if (isOver !== true) {
        if (worker) await killWorker(running.pid, outcome);
        else running.signal("SIGKILL");
      }
      const { code, signal, stdout, stderr } = await outcome;
      // The last line of a killed command may be torn.
      for (const [, step] of stdout.matchAll(/"type":"stage-saved","id":"[a-z]+","step":(\d+)\}/g)) {
        saved = Math.max(saved, Number(step));
      }
      const isKilled = signal === "SIGKILL" || (code === 1 && `${stdout}${stderr}`.includes("SIGKILL"));
      if (isKilled) k++;
      else if (code !== 0) verdict.wrong.push(`it ended with ${signal ?? code}: ${stdout}${stderr}`);
      if (code === 0) {
        await compare(verdict.wrong);
        // It ended before its kill: again from the start, with an earlier one.
        forget();
        [saved, spanMs] = [0, 0.9 * spanMs];
      } else if (k === strikes.length) {
        await using last = run(project);
        const { code, stdout, stderr } = await last.outcome();
        if (code !== 0) verdict.wrong.push(`the command failed when run again: ${stdout}${stderr}`);
        else await compare(verdict.wrong);
      }
      if (isKilled || verdict.lost.length + verdict.wrong.length > 0) {
        tallies.get(kind)!.add(
          `${id} of ${set}, ${worker ? "its process" : "the run"} at ${after.toFixed(3)}`,
          verdict,
        );
      }
      if (verdict.wrong.length > 0) return;
    }
  }, 3);
  for (const tally of tallies.values()) tally.close();
}
