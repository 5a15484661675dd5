import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { checkOutputs } from "../../../artifacts/types.ts";
import type { StageContext } from "../../../engine/contract/stage.ts";
import { NO_PYTHON } from "../../support/commands.ts";
import { CLONE } from "../../support/cli_process.ts";
import { PYTHON, runPeer, whyNoPeers } from "../../support/peers.ts";

interface Told {
  readonly code: number;
  readonly made: readonly string[];
  readonly said: string;
  readonly folder: string;
  readonly read?: unknown;
}

const WRONG: Readonly<Record<string, RegExp>> = {
  "floats without a range":
    /got float64 with value_range None, wanted the values of black and white, such as value_range=\(-1, 1\)/,
  "NaN": /got nan in image 0, wanted finite numbers in value_range=\(0\.0, 1\.0\)/,
  "beyond the range": /got 2\.0 in image 0, wanted finite numbers in .*; correct it, or array\.clip\(0\.0, 1\.0\)/,
  "an endless range": /got float64 with value_range \(-inf, 0\), wanted/,
  "bytes with a range": /got uint8, value_range \(0\.0, 1\.0\), wanted uint8, uint16 or floats/,
  "unclear channels": /got shape \[2, 3, 8, 8\], wanted channels last.*layout="NCHW"/,
  "another type": /got int64, wanted uint8, uint16 or floats/,
  "three axes": /got shape \[4, 4, 1\], wanted \[N, H, W, C\]/,
  "two sizes": /got shape \[5, 4, 1\], wanted \[4, 4, 1\], as in the calls before/,
  "a label too large": /got label 3 of image 1, wanted 0 to 2/,
  "labels of some": /got labelled True, wanted False, as in the calls before/,
  "an output of another type":
    /outputs 'm': got metrics, wanted images or samples; the stage declares s \(images\), m \(metrics\)/,
  "dies in between": /ValueError: died/,
  "is killed": /^/,
  "a figure that is none": /metrics, a: got nan, wanted a finite number/,
  "another version": /imports noiseline \S+ from .*noiseline 0\.0\.1 runs the stage.*pip install noiseline==0\.0\.1/,
};

const noNumpy = whyNoPeers("numpy");
Deno.test({
  name: `the module for Python writes and reads whole sets, and refuses the rest with the fix${
    noNumpy === undefined ? "" : ` (skipped: ${noNumpy})`
  }`,
  ignore: noNumpy !== undefined,
  fn: async () => {
    const { code, printed, said } = await runPeer("python_module.py", join(CLONE, "package/python"));
    assertEquals(code, 0, said);
    const told = JSON.parse(printed) as Readonly<Record<string, Told>>;
    const labels = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4];
    const sum = (value: number) => 16 * value;
    assertEquals(told["batches"]!.read, [
      ...["Images", [15, 4, 4, 1], "uint8", labels, sum(255), [2, 4, 4, 1], [2, 4, 4, 1], 5 * sum(128 + 255)],
      ...[[9, 6], 15, 1],
    ]);
    assertEquals((told["several files"]!.read as unknown[]).slice(0, 4), ["LargeImages", [22, 4, 4, 1], "uint8", null]);
    assertEquals((told["floats kept"]!.read as unknown[]).slice(0, 3), ["Images", [2, 4, 4, 1], "float32"]);
    assertEquals((told["other byte order"]!.read as unknown[]).slice(1, 5), [
      [2, 4, 4, 1],
      "uint16",
      [0, 300],
      16 * 258,
    ]);
    assertEquals((told["channels first"]!.read as unknown[])[1], [2, 8, 9, 3]);
    for (const [name, { code, made, said, folder }] of Object.entries(told)) {
      const whole = !(name in WRONG);
      assertEquals(code === 0, whole, `${name}: ${said}`);
      assertEquals(made.includes("s/images.json") || made.includes("m/metrics.json"), whole, name);
      if (!whole) assertMatch(said, WRONG[name]!, name);
      else if (name !== "figures") {
        const outputs = { s: { folder: join(folder, "s") } } as unknown as StageContext["outputs"];
        assertEquals(await checkOutputs({ s: { type: "images", description: "" } }, outputs), undefined, name);
      }
      await Deno.remove(folder, { recursive: true });
    }
  },
});

const noMypy = whyNoPeers("mypy", "numpy");
Deno.test({
  name: `the types of the module for Python are strict${noMypy === undefined ? "" : ` (skipped: ${noMypy})`}`,
  ignore: noMypy !== undefined,
  fn: async () => {
    const args = ["-m", "mypy", "--cache-dir=/dev/null", "package/python/noiseline"];
    const { success, stdout } = await new Deno.Command(PYTHON, { args, cwd: CLONE }).output();
    assert(success, new TextDecoder().decode(stdout));
  },
});

const noPandas = whyNoPeers("pandas", "numpy");
Deno.test({
  name: `tables of results are data frames where pandas is${noPandas === undefined ? "" : ` (skipped: ${noPandas})`}`,
  ignore: noPandas !== undefined,
  fn: async () => {
    const cwd = await Deno.makeTempDir();
    await Deno.mkdir(join(cwd, "outputs/p/score/log"), { recursive: true });
    const metrics = [{ name: "FD", value: 1.5, count: 8 }, { name: "KD", value: 2, count: 8 }];
    await Deno.writeTextFile(join(cwd, "outputs/p/score/metrics.json"), JSON.stringify({ format: 1, metrics }));
    await Deno.writeTextFile(join(cwd, "outputs/p/score/log/log.jsonl"), '{"step": 1, "loss": 2}\n');
    const code = "import noiseline\np = noiseline.results('p')\nassert 'images' in dir(noiseline)\n" +
      "print(list(p.scores.columns), p.scores['value'].sum(), p.logs.iloc[0].to_dict())\n" +
      "print(p, (p.folders['score/log'] / 'log.jsonl').is_file())";
    const env = { PYTHONPATH: join(CLONE, "package/python") };
    const { stdout, stderr } = await new Deno.Command(PYTHON, { args: ["-c", code], cwd, env }).output();
    assertEquals(
      new TextDecoder().decode(stdout),
      "['stage', 'name', 'value', 'count'] 3.5 {'stage': 'score/log', 'step': 1, 'loss': 2}\n" +
        "Results(images: none; metrics: score; curves: score/log; folders: score, score/log) True\n",
      new TextDecoder().decode(stderr),
    );
    await Deno.remove(cwd, { recursive: true });
  },
});

Deno.test({
  name: `the module for Python imports, and lists its names, without packages${
    NO_PYTHON === undefined ? "" : ` (skipped: ${NO_PYTHON})`
  }`,
  ignore: NO_PYTHON !== undefined,
  fn: async () => {
    const code = "import noiseline, pydoc\nfrom noiseline import *\nprint(len(pydoc.render_doc(noiseline)) > 1000)\n" +
      "try: noiseline.images\nexcept AttributeError as error: print(error)\n" +
      "try: noiseline.params\nexcept RuntimeError as error: print(error)";
    const env = { PYTHONPATH: join(CLONE, "package/python") };
    const { stdout, stderr } = await new Deno.Command("python3", { args: ["-S", "-c", code], env }).output();
    assertMatch(
      new TextDecoder().decode(stdout),
      /^True\nnoiseline\.images needs NumPy: .*\nnoiseline starts this program; /,
      new TextDecoder().decode(stderr),
    );
  },
});

Deno.test("the module for Python has the version of the toolkit", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(join(CLONE, "deno.json")));
  for (const path of ["package/python/noiseline/__init__.py", "pyproject.toml"]) {
    assertMatch(
      await Deno.readTextFile(join(CLONE, path)),
      new RegExp(`^(__)?version(__)? = "${version}"$`, "m"),
      path,
    );
  }
});
