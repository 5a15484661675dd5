import { assertEquals, assertMatch } from "@std/assert";
import { Project } from "../support/project.ts";

/** Above the size up to which a stage gets copies. */
const LARGE = 65 << 20;

const BIG = `import { defineStage } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "A large file and nothing in it",
  params: z.strictObject({}),
  inputs: {},
  outputs: { out: { type: "files", description: "It" } },
  async run({ outputs }) {
    await outputs.out.write("big.bin", "");
    await Deno.truncate(outputs.out.folder + "/big.bin", ${LARGE});
  },
});
`;

const CLOSE = `import { defineStage, externalFile } from "noiseline";
import fs from "node:fs";
import { z } from "zod";

function* below(path: string): Generator<string> {
  yield path;
  if (Deno.statSync(path).isDirectory) for (const { name } of Deno.readDirSync(path)) yield* below(path + "/" + name);
}

export default defineStage({
  summary: "Changes what it may only read through descriptors that are open for reading",
  params: z.strictObject({
    // No name of a param leads anywhere.
    "../../../../one": externalFile(z.string()),
    many: externalFile(z.string()),
    wait: z.boolean(),
  }),
  inputs: {
    small: { type: "files", description: "Copied" },
    big: { type: "files", description: "Linked" },
  },
  outputs: { out: { type: "files", description: "What was done" } },
  async run({ params, inputs, outputs, note }) {
    const deeds: string[] = [];
    const roots = [inputs.small.path("text.txt"), inputs.big.path("big.bin"), params["../../../../one"], params.many];
    for (const path of roots.flatMap((root) => [...below(root)])) {
      const file = fs.openSync(path, "r");
      fs.fchmodSync(file, 0o4777);
      fs.futimesSync(file, 5, 5);
      try {
        fs.fchownSync(file, 7, 7);
      } catch {
        // Only the superuser may.
      }
      fs.fchmodSync(file, 0o4700);
      // Held until the stage ends: nobody else needs such a lock.
      if (Deno.statSync(path).isFile) Deno.openSync(path).lockSync(true);
      deeds.push(path);
    }
    note("done " + deeds.length);
    if (params.wait) await new Promise((resolve) => setTimeout(resolve, 600_000));
    await outputs.out.write("text.txt", "done");
  },
});
`;

const yaml = (wait: boolean) =>
  `name: demo
stages:
  small: { uses: ./cook.ts, with: { text: hello } }
  big: { uses: ./big.ts }
  close:
    uses: ./close.ts
    with: { ../../../../one: mine/one.txt, many: many, wait: ${wait} }
    inputs: { small: small, big: big }
`;

async function makePlace() {
  const project = new Project({
    stages: ["cook"],
    files: {
      "big.ts": BIG,
      "close.ts": CLOSE,
      "p.yaml": yaml(false),
      "w.yaml": yaml(true),
      "mine/one.txt": "mine",
      "many/a.txt": "a",
      "many/deep/b.txt": "b",
    },
  });
  Deno.truncateSync(project.path("mine/one.txt"), 10);
  Deno.openSync(project.path("many/deep/large.bin"), { write: true, create: true }).truncateSync(LARGE);
  for (const [name, mode] of [["mine/one.txt", 0o640], ["many", 0o750], ["many/deep/large.bin", 0o600]] as const) {
    Deno.chmodSync(project.path(name), mode);
    Deno.utimeSync(project.path(name), 1_000_000_000, 1_000_000_000);
  }
  const { code, stderr } = await project.cli(["run", "p.yaml", "small", "big"]);
  assertEquals(code, 0, stderr);
  /** Returns mode, owner and time of every file that the stage may read, and of the folders that contain them. */
  const facts = () => {
    const names = [...project.files("."), "mine", "many", "many/deep"];
    return Object.fromEntries(
      names.filter((name) => /^(mine|many|\.noiseline\/objects)/.test(name)).map((name) => {
        const { mode, uid, gid, mtime } = Deno.statSync(project.path(name));
        return [name, [(mode! & 0o7777).toString(8), uid, gid, mtime!.getTime()].join(" ")];
      }),
    );
  };
  return { project, facts, before: facts() };
}

Deno.test("run gives copies to a stage, and what it changed of larger ones is as it was when it ends", async () => {
  const { project, facts, before } = await makePlace();
  await using _ = project;
  const around = project.list(".").filter((name) => name !== "outputs");
  const { code, events, stderr } = await project.cli(["run", "p.yaml", "--json"]);
  assertEquals(code, 0, stderr);
  const said = events.filter(({ type }) => type === "stage-note").map(({ message }) => message);
  // Eight: the two inputs, one file, and a folder that contains a folder and three files.
  assertEquals(said[0], "done 8");
  assertMatch(said[1], /^it changed the mode, owner or times of files it may only read/);
  const after = facts();
  for (const name of Object.keys(after)) if (!(name in before)) delete after[name];
  assertEquals(after, before);
  assertEquals(project.list("."), [...around, "outputs"].filter((name) => name !== "one").sort());
});

Deno.test("what a stage changed is as it was before the next command reads it, when all was killed", async () => {
  const { project, facts, before } = await makePlace();
  await using _ = project;
  await using running = project.start(["run", "w.yaml", "--json"]);
  await running.event(({ type, message }) => type === "stage-note" && message === "done 8");
  const during = facts();
  running.signal("SIGKILL");
  await running.outcome();
  const changed = Object.keys(before).filter((name) => during[name] !== before[name]).sort();
  const [object] = changed.filter((name) => name.startsWith(".noiseline"));
  assertEquals(changed, ["many/a.txt", "many/deep/b.txt", "many/deep/large.bin", "many", "many/deep", object].sort());
  const { code, stderr } = await project.cli(["plan", "w.yaml"]);
  assertEquals(code, 0, stderr);
  assertEquals(facts(), before);
});
