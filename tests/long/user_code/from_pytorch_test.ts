import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname } from "node:path";
import { findBlocks, ROOT } from "../../docs/blocks.ts";
import { PYTHON, whyNoPeers } from "../../support/peers.ts";
import { Project } from "../../support/project.ts";

/** 64 grey images of 8x8, as NumPy writes them. */
function writeImages(project: Project, path: string): void {
  const header = "{'descr': '|u1', 'fortran_order': False, 'shape': (64, 8, 8), }".padEnd(117) + "\n";
  const start = [0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, 118, 0, ...new TextEncoder().encode(header)];
  const pixels = Array.from({ length: 64 * 64 }, (_, i) => (i * 37 + (i >> 6) * 11) % 256);
  project.write(path, new Uint8Array([...start, ...pixels]));
}

const env = { PATH: `${dirname(PYTHON)}:${Deno.env.get("PATH")}` };
const grant = ["--grant", "train:run=python3"];
const test = (name: string, why: string | undefined, fn: () => Promise<void>) =>
  Deno.test({ name: `${name}${why === undefined ? "" : ` (skipped: ${why})`}`, ignore: why !== undefined, fn });

test("each step of docs/from-pytorch.md runs", whyNoPeers("torch", "numpy", "wandb"), async () => {
  const blocks = findBlocks(Deno.readTextFileSync(`${ROOT}/docs/from-pytorch.md`), "");
  const texts = (language: string) => blocks.filter((one) => one.language === language).map(({ text }) => text);
  const [before, after, prepare] = texts("python");
  const [asIs, params, whole, fromDvc] = texts("yaml");
  await using project = new Project({ files: { "train.py": before!, "mine.yaml": asIs! } });
  writeImages(project, "data/images.npy");
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await project.cli(["run", ...args, ...grant], { env });
    assertEquals(code, 0, stdout + stderr);
    return stdout;
  };
  await run("mine.yaml");
  const count = () => JSON.parse(project.read("outputs/mine/train/images.json")).count;
  assertEquals(count(), 16);
  project.write("dvc.yaml", fromDvc!);
  project.write("prepare.py", prepare!);
  writeImages(project, "scans/a.npy");
  await run("dvc.yaml", "--grant", "prepare:run=python3");
  project.write("mine.yaml", params!);
  await run("mine.yaml", "--set", "train.params.lr=0.01");

  project.write("train.py", after!);
  project.write("mine.yaml", whole!);
  assertMatch(await run("mine.yaml"), /KD-pixels/);
  assertEquals(count(), 16);
  assertMatch(await run("mine.yaml", "--set", "train.steps=60"), /^train: extend from 40/m);
  await run("mine.yaml", "--mirror", "wandb=tracked");
  project.write("sweep.yaml", texts("text").find((text) => text.startsWith("name: lr-sweep"))!);
  await run("sweep.yaml");
  assert(project.exists("outputs/lr-sweep/score~lr=0.001") && project.exists("outputs/lr-sweep/score~lr=0.01"));
});

test("the template for PyTorch runs, and more steps go on", whyNoPeers("torch", "numpy"), async () => {
  await using project = new Project({});
  assertEquals((await project.cli(["new", "pipeline", "mine", "--template", "pytorch"], { env })).code, 0);
  for (const steps of [3, 5]) {
    const args = ["run", "mine.yaml", "--set", `train.steps=${steps}`, ...grant];
    const { code, stdout, stderr } = await project.cli(args, { env });
    assertEquals(code, 0, stdout + stderr);
    if (steps === 5) assertMatch(stdout, /^train: extend from 3/m);
  }
});
