import { assert, assertEquals } from "@std/assert";
import { dirname } from "node:path";
import { openStore } from "../../../engine/store/store.ts";
import { userOf, Visitor } from "../../support/live_server.ts";
import { printedCommands, typed } from "../../support/printed_commands.ts";
import { Project } from "../../support/project.ts";

const YAML = `name: demo
vars: { x: a }
profiles:
  more: { vars: { x: b } }
stages:
  cook: { uses: ./cook.ts, with: { text: "\${vars.x}" } }
  walk: { uses: ./walk.ts, with: { steps: 3, saveEvery: 9, text: "\${vars.x}" } }
`;

/** Options that a user may type after the file, with names that a shell would change. */
const INVOCATIONS: readonly (readonly string[])[] = [
  [],
  ["--set", "cook.text=it's $HOME; \`id\` *", "--set", "walk.text=a \\"],
  ["--profile", "more"],
  ["--profile", "more", "--set", "vars.x=~/z", "--store", "other store"],
];

for (const [i, options] of INVOCATIONS.entries()) {
  const file = i % 2 === 0 ? "p.yaml" : "sub folder/it's.yaml";
  Deno.test(`printed commands are the invocation ${file} ${options.join(" ")}, and do what they say`, async () => {
    await using project = new Project({ stages: ["cook", "walk"] });
    project.write(file, YAML.replaceAll("./", dirname(file) === "." ? "./" : "../"));
    const root = options.includes("--store") ? project.path("other store") : project.path(".noiseline");
    const ran = await project.cli(["run", file, ...options]);
    assertEquals(ran.code, 0, ran.stderr);
    const store = openStore(root);
    const [first] = store.runs.newestFirst();
    const made = store.runs.used(first!.runId).results;
    const runs = [...store.runs.newestFirst()].length;

    // Each stage whose bytes cannot be proven says how to compute it again.
    for (const [i, stage] of ["cook", "walk"].entries()) {
      const { stdout, stderr } = await project.cli(["verify", file, stage, "--resume", ...options]);
      const [again, ...more] = printedCommands(stdout + stderr);
      assert(again !== undefined && more.length === 0, stdout + stderr);
      const { code, said } = await typed(again, project.root);
      assertEquals(code, 0, `${again}\n${said}`);
      const all = [...store.runs.newestFirst()];
      assertEquals(all.length, runs + i + 1, again);
      const [{ runId, overrides, stages }] = all as [typeof all[number]];
      assertEquals(overrides, first!.overrides, again);
      assertEquals([Object.keys(stages), stages[stage]!.state], [[stage], "ran"], again);
      assertEquals(store.runs.used(runId).results[stage], made[stage], again);
    }

    const at = options.includes("--store") ? ["--store", "other store"] : [];
    // A tag that cannot be read keeps unknown results, until it is deleted.
    await project.cli(["tag", "kept", file, ...options]);
    const tag = project.files(".").find((path) => /tags\/kept/.test(path))!;
    project.write(tag, "{");
    const gc = () => project.cli(["gc", ...at]);
    const [remove] = printedCommands((await gc()).stderr);
    assertEquals((await typed(remove!, project.root)).code, 0, remove);
    assertEquals((await gc()).code, 0);
  });
}

Deno.test("the page of a run that failed has the command that goes on with it", async () => {
  for (const options of INVOCATIONS) {
    await using project = new Project({ stages: ["cook", "walk", "misbehave"] });
    const file = "it's here/p.yaml";
    const bad = "  bad: { uses: ../misbehave.ts, needs: [cook, walk], with: { mode: throw } }\n";
    project.write(file, YAML.replaceAll("./", "../") + bad);
    const ran = await project.cli(["run", file, ...options]);
    assertEquals(ran.code, 1, ran.stderr);
    const isOther = options.includes("--store");
    const store = openStore(project.path(isOther ? "other store" : ".noiseline"));
    const [first] = store.runs.newestFirst();
    const env = await userOf(project);
    const ui = ["ui", ...isOther ? ["--store", "other store"] : []];
    await using server = project.start(ui, { env });
    await server.said("\n");
    const visitor = await Visitor.open((await project.cli(ui, { env })).stdout.trim());
    const page = await visitor.text(`/run/${first!.runId}`);
    const [, shown] = /data-copy="([^"]*)"/.exec(page) ?? [];
    assert(shown !== undefined, page);
    const entities = { "&#39;": "'", "&quot;": '"', "&lt;": "<", "&gt;": ">", "&amp;": "&" };
    const command = shown.replaceAll(/&#?\w+;/g, (one) => entities[one as keyof typeof entities]);
    server.signal("SIGINT");
    await server.outcome();
    const { code, said } = await typed(command, project.root);
    assertEquals(code, 1, `${command}\n${said}`);
    const [second] = store.runs.newestFirst();
    assert(second!.runId !== first!.runId, command);
    assertEquals([second!.overrides, Object.keys(second!.stages)], [first!.overrides, ["bad"]], command);
  }
});
