import { assertEquals } from "@std/assert";
import { basename, join } from "node:path";
import { ProgressStore } from "../../engine/store/progress.ts";
import { runHere } from "../support/faults/here.ts";
import { FaultProject } from "../support/faults/project.ts";
import type { Verdict } from "../support/faults/reference.ts";
import { someOf, Tally } from "../support/faults/tally.ts";

/** Bytes of each kind that are tried, unless all are. */
const TRIED = 60;

const PIPELINE = `name: faults
stages:
  first: { uses: join, with: { text: first, file: data.txt } }
  second: { uses: join, inputs: { from: [first] }, with: { text: second } }
`;

/** Flips one bit of a byte, and keeps the times of the file. */
function flip(path: string, at: number): void {
  const { mtime, atime } = Deno.statSync(path);
  const bytes = Deno.readFileSync(path);
  bytes[at]! ^= 1 << (at % 8);
  Deno.chmodSync(path, 0o644);
  Deno.writeFileSync(path, bytes);
  Deno.utimeSync(path, atime!, mtime!);
  Deno.chmodSync(path, 0o444);
}

/** Situations in which a damaged object is read. */
const READERS: Readonly<Record<string, { readonly overrides: readonly string[]; readonly stages: RegExp }>> = {
  "a view is restored": { overrides: [], stages: /./ },
  "another stage reads it": { overrides: ["second.text=edited"], stages: /^first$/ },
};

for (const [how, { overrides, stages }] of Object.entries(READERS)) {
  Deno.test(`run names a flipped byte of an object, makes the object again and never serves it, when ${how}`, async () => {
    await using project = new FaultProject({ "faults.yaml": PIPELINE }, "memory");
    await runHere(project, overrides);
    await runHere(project);
    const expected = await runHere(project, overrides);
    const view = project.view();
    const owners = new Map<string, string>();
    for (const name of project.files("outputs")) {
      const stage = name.split("/")[1]!;
      if (stages.test(stage)) owners.set(view[name]!, stage);
    }
    const places = project.files(".noiseline/objects").filter((name) => owners.has(basename(name))).flatMap((name) =>
      Array.from({ length: Deno.statSync(project.path(".noiseline/objects", name)).size }, (_, at) => ({ name, at }))
    );
    const tally = new Tally(`flipped byte of an object, ${how}`, places.length);
    for (const { name, at } of someOf(places, TRIED, 7)) {
      const path = project.path(".noiseline/objects", name);
      if (overrides.length > 0) {
        // The stage that reads the object has not run yet.
        await runHere(project);
        for (const result of project.files(".noiseline/results")) {
          const file = `.noiseline/results/${result}`;
          if (project.read(file).includes('"edited"')) project.remove(file);
        }
        project.remove(".noiseline/index.jsonl");
      } else project.remove("outputs");
      flip(path, at);
      const again = await runHere(project, overrides);
      const verdict: Verdict = { lost: [], wrong: [] };
      const named = again.warnings.filter((text) => text.includes(basename(name).slice(0, 12)));
      if (named.length !== 1) verdict.wrong.push(`warned ${again.warnings.length} times: ${again.warnings}`);
      try {
        assertEquals(again.digests, expected.digests);
        assertEquals(project.view(), view);
        assertEquals(project.wrongObjects(), []);
      } catch (error) {
        verdict.wrong.push((error as Error).message);
      }
      tally.add(`${owners.get(basename(name))} ${name} at ${at}`, verdict);
      if (project.exists(`.noiseline/objects/${name}.broken`)) project.remove(`.noiseline/objects/${name}.broken`);
    }
    tally.close();
  });
}

Deno.test("a saved state with a flipped byte is named and passed over", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "noiseline-test-" });
  const encode = (step: number) => new TextEncoder().encode(`state of ${step}`);
  for (const step of [2, 4]) {
    await new ProgressStore(folder, 9).save(step, { "deep/hashes": encode(step), last: encode(1) });
  }
  const paths = ["manifest.json", "deep/hashes", "last"].map((name) => join(folder, "step-4", name));
  const places = paths.flatMap((path) => Array.from({ length: Deno.statSync(path).size }, (_, at) => ({ path, at })));
  const tally = new Tally("flipped byte of a saved state", places.length);
  for (const { path, at } of places) {
    flip(path, at);
    const damaged: number[] = [];
    const saved = await new ProgressStore(folder, 9, undefined, (step) => damaged.push(step)).latest();
    const text = saved && new TextDecoder().decode(await saved.read("deep/hashes"));
    const verdict: Verdict = { lost: [], wrong: [] };
    // Some bytes of a manifest carry no information, such as its last one: then the state is still the right one.
    if (text !== `state of ${saved?.step}`) verdict.wrong.push(`got ${text}`);
    if (saved?.step === 2 && damaged.join() !== "4") verdict.wrong.push(`named ${damaged}`);
    if (saved === undefined) verdict.lost.push("no state is left");
    tally.add(`${path} at ${at}`, verdict);
    flip(path, at);
  }
  tally.close();
  Deno.removeSync(folder, { recursive: true });
});
