import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { type BuiltinKind, defineKind } from "../../../engine/contract/stage.ts";
import { setOperationHook } from "../../support/operations.ts";
import { makeFault } from "../../support/faults/arm.ts";
import { makeTempFolder } from "../engine/support/temp.ts";
import { runCliWith } from "./capture.ts";
import { judgeKind as figureKind } from "./judge_kind.ts";

const metrics = { type: "metrics", description: "A figure" } as const;
const judgeKind = defineKind({ ...figureKind, inputs: { from: { ...metrics, list: true, optional: true } } });

const runCli = (...args: string[]) => runCliWith({ judge: judgeKind as unknown as BuiltinKind }, ...args);

const YAML = `name: small
stages:
  first: { uses: judge, with: { value: 1 } }
  second: { uses: judge, inputs: { from: [first] }, with: { value: 1.34567 } }
  third: { uses: judge, inputs: { from: [second] }, with: { value: 3 } }
  other: { uses: judge, with: { value: 4 } }
  pick: { uses: select, inputs: { candidates: [other], metrics: [other] }, with: { metric: far, goal: lowest } }
`;

const NOTHING = (page: string) => ["small: nothing to do (5 stages cached)", `page: ${page}`];

/**
 * Returns the stages that the end of a run reports as belonging to another configuration; undefined if it reports none.
 */
function earlierIn(lines: readonly string[]): string[] | undefined {
  return lines.flatMap((line) => / also has results of another configuration: (.*)$/.exec(line)?.[1] ?? [])[0]?.split(
    ", ",
  );
}

async function makePlace(yaml: string = YAML) {
  const folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  const write = (text: string) => Deno.writeTextFile(file, text);
  await write(yaml);
  const shown = join(folder.path, "outputs", "small");
  const list = () => Array.from(Deno.readDirSync(shown), ({ name }) => name).sort();
  const run = async (...args: string[]) => {
    const { code, out, error } = await runCli("run", file, ...args);
    assertEquals(code, 0, out + error);
    return out.trimEnd().split("\n");
  };
  return {
    file,
    write,
    shown,
    page: join(shown, "report.html"),
    list,
    run,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

Deno.test("run ends with the figures of its last stages and the page, as text and as JSON", async () => {
  await using place = await makePlace();
  const lines = await place.run();
  assertEquals(lines.slice(lines.findIndex((line) => line.startsWith("small: done"))).slice(1), [
    "  small  other  far  4        N 3",
    "  small  third  far  5.346    N 3",
    `page: ${place.page}`,
  ]);
  assertEquals(await place.run(), NOTHING(place.page));
  // If only the second stage is requested, it is the last that has figures.
  const last = JSON.parse((await place.run("second", "--force", "second", "--json")).at(-1)!);
  assertEquals(last.scores, [{ experiment: "small", stage: "second", metric: "far", value: 2.34567, count: 3 }]);
  assertEquals([last.type, last.page, last.outputs], ["run-finished", place.page, place.shown]);
});

Deno.test("the page is written by every run that did something, and left alone by one with nothing to do", async () => {
  await using place = await makePlace();
  await place.run("second");
  const some = Deno.readTextFileSync(place.page);
  const [missing] = /<li>no result of [^<]*<\/li>/.exec(some) ?? [""];
  for (const id of ["third", "other", "pick"]) assertStringIncludes(missing, `&#34;${id}&#34;`);
  await place.run();
  const whole = Deno.readTextFileSync(place.page);
  assert(!whole.includes("no result"));
  for (const id of ["first", "second", "third", "other"]) assertStringIncludes(whole, `<h3>${id}</h3>`);
  const { ino } = Deno.statSync(place.page);
  // If everything is up to date, the run leaves the page as it is.
  await place.run();
  assertEquals(Deno.statSync(place.page).ino, ino);
  // A run that fails rewrites the page, even before it has results, and the page names the missing result.
  assertEquals((await runCli("run", place.file, "--set", "pick.metric=none")).code, 1);
  assertMatch(Deno.readTextFileSync(place.page), /<li>no result of &#34;pick&#34;: failed: .*none/);
  const failed = await runCli("run", place.file, "--keep-going", "--set", "third.value=9", "--set", "pick.metric=none");
  assertEquals([failed.code, failed.out.trimEnd().split("\n").at(-1)], [1, `page: ${place.page}`]);
  assertMatch(Deno.readTextFileSync(place.page), /<li>no result of &#34;pick&#34;: failed: .*none/);
  // A lost page is written again, although nothing else is to be done.
  await place.run();
  await Deno.remove(place.page);
  assertEquals(await place.run(), NOTHING(place.page));
  assertEquals((await runCli("report", place.file)).out, `${place.page}\n`);
});

/** Returns the state that the page shows for each stage, as the run's own page would. */
const statesIn = (page: string) =>
  [...Deno.readTextFileSync(page).matchAll(/<tr><td><code>(\w+)<\/code>.*?<span class="state [\w-]+">(.*?)</g)]
    .map(([, ...own]) => own.join(" ")).join(", ");

Deno.test("the page says of each stage how it ended in the last run, as the run's record does", async () => {
  await using place = await makePlace();
  await place.run("second");
  assertEquals(statesIn(place.page), "first ran, other to run, second ran, pick to run, third to run");
  await place.run();
  assertEquals(statesIn(place.page), "first cached, other ran, second cached, pick ran, third ran");
  await runCli("run", place.file, "--set", "other.value=9", "--set", "pick.metric=none");
  assertEquals(statesIn(place.page), "first cached, other ran, second cached, pick failed, third cached");
  // The report shows the results as the file now defines them, and tells of the last run that had the same.
  assertEquals((await runCli("report", place.file)).code, 0);
  assertEquals(statesIn(place.page), "first cached, other restore, second cached, pick ran, third ran");
});

Deno.test("a run names the page that draws, also where there is nothing to do", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  await Deno.writeTextFile(file, "name: small\nstages: { first: { uses: demo } }\n");
  const demo = defineKind({
    ...figureKind,
    kind: "demo",
    entry: import.meta.resolve("./demo_run.ts"),
    outputs: { files: { type: "files", description: "A page" } },
  });
  const drawn = join(folder.path, "outputs/small/first/demo.html");
  const linesOf = async (...args: string[]) => {
    const { code, out, error } = await runCliWith({ demo: demo as unknown as BuiltinKind }, "run", file, ...args);
    assertEquals([code, error], [0, ""]);
    return out.trimEnd().split("\n");
  };
  const ends = [];
  for (let i = 0; i < 3; i++) ends.push((await linesOf()).slice(-3).filter((line) => !line.startsWith("first")));
  assertEquals(ends.map((lines) => lines.at(-1)), Array(3).fill(`interactive page: ${drawn}`));
  assertEquals(ends[2]![0], "small: nothing to do (1 stage cached)");
  assertEquals(JSON.parse((await linesOf("--json")).at(-1)!).draws, [drawn]);
});

Deno.test("a page that cannot be written is a warning, and no leftover", async () => {
  await using place = await makePlace();
  setOperationHook((operation, path) => {
    if (operation === "fsync" && path.includes("report.html")) throw makeFault("ENOSPC", path);
  });
  const full = await runCli("run", place.file).finally(() => setOperationHook(undefined));
  assertEquals(full.code, 0, full.error);
  assertMatch(full.error, /^warning: no page of this run: No space left on device .*; free some space/m);
  assertEquals(place.list(), ["first", "other", "pick", "second", "third"]);
  // A bug does not prevent the end of the run from being reported, either.
  setOperationHook((_, path) => {
    if (path.includes("report.html")) throw new TypeError("no such part");
  });
  const odd = await runCli("run", place.file).finally(() => setOperationHook(undefined));
  assertEquals([odd.code, odd.out], [0, "small: nothing to do (5 stages cached)\n"], odd.error);
  assertMatch(odd.error, /^warning: no page of this run: TypeError: no such part; report it as a bug/m);
  // A user's folder in the page's place is moved aside.
  await Deno.mkdir(join(place.page, "mine"), { recursive: true });
  await place.run();
  assertEquals(place.list(), ["first", "other", "pick", "report.html", "report.html.broken", "second", "third"]);
});

Deno.test("a run says which folders are of an earlier configuration, until a run of all stages", async () => {
  await using place = await makePlace();
  assertEquals(earlierIn(await place.run()), undefined);

  // `third` reads the changed result; `other` is unchanged.
  assertEquals(earlierIn(await place.run("second", "--set", "first.value=9")), ["third"]);
  const status = await runCli("status", place.file, "--json");
  assertEquals(JSON.parse(status.out).earlier, ["first", "second"], "seen from the file as it is");
  // A run with nothing to do changes nothing, and reports the same.
  assertEquals(earlierIn(await place.run("second", "--set", "first.value=9")), ["third"]);
  assertEquals(earlierIn(await place.run("--set", "first.value=9")), undefined);
  assertEquals(earlierIn(await place.run()), undefined);

  // Results of a run with other settings are reported too, if the run itself has nothing to do. The second time the
  // pipeline is not kept, and loaded again.
  for (const text of [YAML, `# new\n${YAML}`]) {
    assertEquals(earlierIn(await place.run("--set", "first.value=9")), undefined);
    await place.write(text);
    const nothing = await place.run("other");
    assertEquals(nothing[0], "small: nothing to do (1 stage cached)");
    assertEquals(earlierIn(nothing), ["first", "second", "third"]);
  }
});

Deno.test("status gives a result that is only brought back no time", async () => {
  await using place = await makePlace();
  await place.run();
  await Deno.remove(join(place.shown, "first"), { recursive: true });
  const rows = (await runCli("status", place.file)).out.split("\n").map((line) => line.trimEnd().split(/ {2,}/));
  assertEquals(rows.find(([id]) => id === "first"), ["first", "restore"]);
  assertEquals(rows.find(([id]) => id === "second")?.length, 3);
});

Deno.test("a run that fails names its folder, and the next that finds nothing to do does not", async () => {
  await using place = await makePlace();
  await place.run();
  const failed = await runCli("run", place.file, "pick", "--set", "pick.metric=none");
  assertEquals(failed.code, 1);
  assertEquals(earlierIn((failed.out + failed.error).split("\n")), ["pick"]);
  assertEquals(await place.run(), NOTHING(place.page));
});

Deno.test("a run names folders of stages that the pipeline has no more, and leaves the user's own alone", async () => {
  await using place = await makePlace();
  await place.run();
  await Deno.mkdir(join(place.shown, "own", "deep"), { recursive: true });
  await Deno.writeTextFile(join(place.shown, "own.txt"), "mine");
  await place.write(YAML.replaceAll("other", "renamed"));
  assertEquals(earlierIn(await place.run()), ["other"]);
  // This holds also for a run with nothing to do.
  assertEquals(earlierIn(await place.run()), ["other"]);
  await place.write(YAML);
  assertEquals(earlierIn(await place.run()), ["renamed"]);
  await Deno.remove(join(place.shown, "renamed"), { recursive: true });
  // Everything is up to date, and there is nothing left to report.
  assertEquals(await place.run(), NOTHING(place.page));
  assertEquals(place.list(), ["first", "other", "own", "own.txt", "pick", "report.html", "second", "third"]);
});

Deno.test("a run with nothing to do shows no page of another configuration, or of a run that failed", async () => {
  await using place = await makePlace(YAML.replace("name: small", "name: small\nseed: 3"));
  const page = () => Deno.readTextFileSync(place.page);
  const head = () => /<header id="head">.*?<\/header>/s.exec(page())![0];
  await place.run();
  const first = head();
  // All but the first of these change what the page shows, and no result that the file without them has.
  const others = [
    ["--force", "other"],
    ["--set", "pick.metric=none"],
    ["--set", "third.value=8"],
    ["--set", "seed=9"],
    ["second", "--set", "other.value=5"],
  ];
  for (const args of others) {
    const { code } = await runCli("run", place.file, ...args);
    assertEquals(code, args.includes("pick.metric=none") ? 1 : 0);
    for (const one of args.filter((arg) => arg.includes("="))) assertStringIncludes(head(), `--set ${one}`);
    // The next run has nothing to do, or shows results again; it leaves the page of the file as it was.
    await place.run();
    const { ino } = Deno.statSync(place.page);
    assertEquals(head().replace(/last run [^,]*/, ""), first.replace(/last run [^,]*/, ""), `${args}`);
    assert(!/failed|restore\b/.test(statesIn(place.page)), `${args}`);
    assertEquals(await place.run(), NOTHING(place.page));
    assertEquals(Deno.statSync(place.page).ino, ino, `${args}`);
  }
});

Deno.test("the page names all seeds of its stages", async () => {
  await using place = await makePlace(`name: small
seed: 2
stages:
  one: { uses: judge, matrix: { seed: [5, 12] }, seed: "\${matrix.seed}", with: { value: 1 } }
`);
  await place.run();
  assertStringIncludes(Deno.readTextFileSync(place.page), "seeds 2, 5, 12 ·");
});
