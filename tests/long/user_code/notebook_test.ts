import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { CLONE } from "../../support/cli_process.ts";
import { PYTHON, whyNoPeers } from "../../support/peers.ts";
import { Project } from "../../support/project.ts";

const why = whyNoPeers("nbclient", "numpy");
const skipped = why === undefined ? "" : ` (skipped: ${why})`;

/** One output of a cell. */
interface Output {
  readonly from: "notebook" | "kernel";
  readonly type: string;
  readonly data: Readonly<Record<string, string>>;
  readonly error: string | null;
}

Deno.test({
  name: `the notebook of the documents runs, results show themselves, and an interrupted run goes on${skipped}`,
  ignore: why !== undefined,
  fn: async (t) => {
    await using project = new Project();
    project.write(
      "deno.json",
      JSON.stringify({ imports: { "noiseline/notebook": join(CLONE, "package/notebook/mod.ts") } }),
    );
    project.copy("pipelines/smoke.yaml", "pipelines/smoke.yaml");
    project.copy("docs/notebook.ipynb", "notebook.ipynb");
    const script = join(CLONE, "tests/peers/jupyter/notebook.py");
    const long = `"pipelines/smoke.yaml", { set: { "train.steps": 1000 }, stages: ["train"] }`;
    const { success, stdout, stderr } = await new Deno.Command(PYTHON, {
      args: [script, Deno.execPath(), "notebook.ipynb", long],
      cwd: project.root,
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    const outputs = new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line) as Output);
    const shown = outputs.filter(({ from }) => from === "notebook").map(({ data }) => Object.keys(data).sort().join());

    await t.step("what each cell shows", () => {
      const [progress, page, picture, curves, figures, numbers, planned] = shown;
      assertEquals([progress, page, figures, planned], Array(4).fill("text/html,text/plain"));
      assertEquals([picture, curves, numbers], ["image/png,text/plain", "image/svg+xml,text/plain", "text/plain"]);
      assertMatch(outputs[0]!.data["text/plain"]!, /^train {2}ran/m);
      assertMatch(outputs[4]!.data["text/plain"]!, /^score {2}FD-/m);
      assertMatch(stripVTControlCharacters(outputs[5]!.data["text/plain"]!), /\[ 16, 8, 8, 1 \], 1024/);
      assertMatch(outputs[6]!.data["text/plain"]!, /^train {2}extend {2}param/m);
    });

    await t.step("an interrupt ends a run and not the kernel, and the next run goes on", async () => {
      const [interrupted, whole] = outputs.filter(({ from }) => from === "kernel");
      assertEquals([interrupted!.type, interrupted!.error], ["execute_result", null]);
      assertMatch(interrupted!.data["text/plain"]!, /undefined/);
      assertMatch(whole!.data["text/plain"]!, /whole/);
      const { stdout } = await project.cli(["runs", "--json"]);
      const runs = JSON.parse(stdout) as { status: string; runId: string }[];
      assertEquals(runs.map(({ status }) => status), ["done", "interrupted", "done"]);
    });

    await t.step("Python reads the same results", async () => {
      for (const { name } of Deno.readDirSync(join(CLONE, "package/python/noiseline"))) {
        if (name.endsWith(".py")) project.copy(`package/python/noiseline/${name}`, `noiseline/${name}`);
      }
      const code = "import noiseline\nsmoke = noiseline.results('smoke')\n" +
        "print(smoke.images['sample'].shape, smoke.images['sample'].dtype, sorted(smoke.metrics))\n" +
        "print(smoke.curves['train/log'][-1]['step'])\n" +
        "try: smoke.images['smaple']\nexcept KeyError as e: print(*e.args)";
      const args = ["-c", code];
      const python = await new Deno.Command(PYTHON, { args, cwd: project.root }).output();
      assertEquals(
        new TextDecoder().decode(python.stdout),
        "(16, 8, 8, 1) uint8 ['evaluate', 'score']\n1000\nno 'smaple'; there are: digits/test, digits/train, sample\n",
        new TextDecoder().decode(python.stderr),
      );
    });
  },
});
