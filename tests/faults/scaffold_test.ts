import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { CLONE } from "../support/cli_process.ts";
import { Project } from "../support/project.ts";

/** Type what `new` said, and what a careful user would type besides. */
async function shell(cwd: string, command: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", command],
    cwd,
    env: { NO_COLOR: "1", PATH: `${join(Deno.execPath(), "..")}:${Deno.env.get("PATH") ?? ""}` },
  }).output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(success, `${command}\n${said}`);
  return said;
}

Deno.test("a new stage outside the clone passes every check, its test and its run", async () => {
  await using project = new Project({ bare: true });
  const { code, json, stderr } = await project.cli(["new", "stage", "brightness", "--folder", "my work", "--json"]);
  assertEquals(code, 0, stderr);
  await shell(project.root, json.next.join(" && "));
  const home = project.path("my work");
  await shell(home, "deno check . && deno fmt --check && deno lint");
  await shell(home, "deno task noiseline validate brightness.yaml");
  assertEquals(JSON.parse(project.read("my work/outputs/brightness/brightness/metrics.json")).metrics[0].count, 150);
  assert((await shell(home, "deno task noiseline run brightness.yaml")).includes("nothing to do"));
});

Deno.test("a new stage in a folder with settings of its own works with what new says", async () => {
  await using project = new Project();
  const { json } = await project.cli(["new", "stage", "brightness", "--json"]);
  await shell(project.root, json.next.join(" && "));
  await shell(project.root, `deno check --config=${join(CLONE, "deno.json")} brightness_test.ts && deno lint`);
});

Deno.test("new stages and pipelines in the clone pass its own checks", async () => {
  const folder = await Deno.makeTempDir({ dir: CLONE, prefix: "new-test-" });
  try {
    await using project = new Project({ bare: true });
    const options = { cwd: CLONE };
    const { json } = await project.cli(["new", "stage", "brightness", "--folder", folder, "--json"], options);
    assertEquals(json.files.length, 3);
    for (const template of ["smoke", "digits"]) {
      const made = await project.cli(
        ["new", "pipeline", `my-${template}`, "-t", template, "-f", folder, "--json"],
        options,
      );
      assertEquals(made.code, 0, made.stderr);
      await shell(CLONE, `deno task validate ${folder}/my-${template}.yaml`);
    }
    await shell(CLONE, `deno check ${folder} && deno fmt --check ${folder} && deno lint ${folder}`);
    await shell(CLONE, json.next[0]);
    // The store would be the clone's own, which is no test's business.
    await shell(CLONE, `${json.next.at(-1)} --store ${project.path("store")}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a new pipeline runs outside the clone", async () => {
  await using project = new Project({ bare: true });
  const { code, stderr } = await project.cli(["new", "pipeline", "my_smoke", "-t", "smoke", "-f", "lab"]);
  assertEquals(code, 0, stderr);
  const ran = await project.cli(["run", "lab/my_smoke.yaml"]);
  assertEquals(ran.code, 0, ran.stderr);
  assertEquals(project.list("lab/outputs"), ["my_smoke"]);
});
