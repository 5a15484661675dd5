import { assertEquals } from "@std/assert";
import type { Json } from "../../support/cli_process.ts";
import { Project } from "../../support/project.ts";
import { until } from "../../support/until.ts";

function replace(project: Project, name: string, text: string): void {
  project.write("new", text);
  Deno.renameSync(project.path("new"), project.path(name));
}

async function planOf(project: Project) {
  const { stages: [planned] } = (await project.cli(["plan", "p.yaml", "--json"])).json;
  return planned;
}

Deno.test("what a stage saved before its code was edited is gone on from when the edit is undone", async () => {
  await using project = new Project({ stages: ["walk"] });
  project.write("p.yaml", "name: demo\nstages:\n  walk: { uses: ./walk.ts, with: { steps: 4 } }\n");
  const code = project.read("walk.ts");
  await using running = project.start(["run", "p.yaml", "--set", "walk.holdAt=2", "--json"]);
  await running.event(({ type, step }: Json) => type === "stage-saved" && step === 2);
  project.write("walk.ts", code.replace('"0".repeat', '"1".repeat'));
  running.signal("SIGINT");
  const { code: exit, events } = await running.outcome();
  assertEquals([exit, events.filter(({ type }) => type === "stage-note")], [130, []]);
  project.write("walk.ts", code);
  const planned = await planOf(project);
  assertEquals([planned.state, planned.fromStep], ["resume", 2]);
});

Deno.test("an edit of a module stops its stage when that saves next, by the name of the module, and costs no earlier state", async () => {
  await using project = new Project({ stages: ["walk"] });
  // Before each step the stage asks a server, which answers some only when a gate opens.
  const gates = {
    4: Promise.withResolvers<void>(),
    6: Promise.withResolvers<void>(),
    12: Promise.withResolvers<void>(),
  };
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async ({ url }) => {
    await gates[Number(url.split("/").at(-1)) as keyof typeof gates]?.promise;
    return new Response();
  });
  // The server ends when all is answered.
  using _ = { [Symbol.dispose]: () => Object.values(gates).forEach(({ resolve }) => resolve()) };
  const asked = `http://127.0.0.1:${server.addr.port}/`;
  const code = project.read("walk.ts").replace("const START", 'import { START } from "./lib/start.ts";\n//')
    .replace("  inputs: {},", '  inputs: {},\n  permissions: { net: ["127.0.0.1"] },')
    .replace(
      "hashes.push",
      `await fetch(\`${asked}\${hashes.length + 1}\`, { signal: stop }).catch(() => {});\n      hashes.push`,
    );
  project.write("stages/walk.ts", code);
  project.write("stages/lib/start.ts", 'export const START = "0";\n');
  project.write("p.yaml", "name: demo\nstages:\n  walk: { uses: ./stages/walk.ts, with: { steps: 500 } }\n");
  await using running = project.start(["run", "p.yaml", "--json", "--grant", "walk:net=127.0.0.1"]);
  await running.event(({ type, step }: Json) => type === "stage-saved" && step === 3);
  // An edit that keeps the behaviour stops nothing. Half an edit would: editors replace a file by a complete new one.
  replace(project, "stages/walk.ts", `// A comment.\n${code}`);
  gates[4].resolve();
  // The run keeps the newest two states of those that it knows to be from before any edit.
  await until("the run to have checked the code after step 5", () => {
    const saved = project.files(".noiseline/progress").flatMap((file) => /step-(\d+)\//.exec(file)?.[1] ?? []);
    return [...new Set(saved)].sort().join() === "4,5";
  });
  replace(project, "stages/lib/start.ts", 'export const START = "1";\n');
  gates[6].resolve();
  // Steps 6 to 11 pass at once, while the run checks the code: what they save must not push out the states before.
  const { code: exit, events } = await running.outcome();
  const failed = events.find(({ type, state }) => type === "stage-finished" && state === "failed")!;
  assertEquals([exit, failed.message], [1, "stages/lib/start.ts changed after planning; it was stopped"]);
  assertEquals(failed.fix, "run again, or undo the edit first to go on from step 5");
  project.write("stages/lib/start.ts", 'export const START = "0";\n');
  const planned = await planOf(project);
  assertEquals([planned.state, planned.fromStep], ["resume", 5]);
});
