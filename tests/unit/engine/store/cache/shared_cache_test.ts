import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { digestsOf, endStates, planIn, runIn } from "../../support/reach.ts";
import { Lab } from "../../support/shared.ts";
import { keepBusy } from "../../../../support/clock.ts";

const CHAIN = `name: p
stages:
  a: { uses: source }
  b: { uses: mix, inputs: { one: a } }
  c: { uses: walk, inputs: { from: b }, with: { steps: 2 } }
`;

Deno.test("a second machine runs nothing and has the same bytes", async () => {
  await using lab = await Lab.open();
  assertEquals(await lab.plan("one", CHAIN), "a: run (new), b: may-run (new), c: may-run (new)");
  const first = await lab.run("one", CHAIN);
  assertEquals(endStates(first), "a: ran, b: ran, c: ran");
  const states = "a: restore (new+shared), b: restore (new+shared), c: restore (new+shared)";
  assertEquals(await lab.plan("two", CHAIN), states);
  const second = await lab.run("two", CHAIN);
  assertEquals(endStates(second), "a: restored, b: restored, c: restored");
  assertEquals(digestsOf(second), digestsOf(first));
  assertEquals(second.stages.get("c")!.message, "from the shared cache");
  assertEquals(lab.warnings, []);
  // A fetched result is a result of the local store like any other.
  assertEquals(endStates(await runIn(lab.machine("two"), CHAIN)), "a: cached, b: cached, c: cached");
});

Deno.test("a run with nothing to do asks the cache nothing", async () => {
  await using lab = await Lab.open();
  await lab.run("one", CHAIN);
  lab.backend = new Proxy(lab.backend, {
    get: (backend, name) => {
      if (name === "place") return backend.place;
      throw new Error("asked");
    },
  });
  assertEquals(endStates(await lab.run("one", CHAIN)), "a: cached, b: cached, c: cached");
});

Deno.test("a stage whose input came out as on another machine is found by the bytes it reads", async () => {
  await using lab = await Lab.open();
  // "mod" texts give one of two values, so that other params often lead to equal bytes.
  const yaml = (text: string) =>
    `name: p\nstages:\n  a: { uses: source, with: { text: ${text} } }\n` +
    "  b: { uses: mix, inputs: { one: a }, with: { text: long } }\n";
  const one = digestsOf(await lab.run("one", yaml("moda")));
  assertEquals(await lab.plan("two", yaml("modc")), "a: run (new), b: may-run (new)");
  const two = await lab.run("two", yaml("modc"));
  assertEquals(digestsOf(two)["a"], one["a"], "the texts were chosen to give equal bytes");
  assertEquals(endStates(two), "a: ran, b: restored");
});

Deno.test("a stage that is asked for comes alone, and what it reads only if it does not come whole", async () => {
  await using lab = await Lab.open();
  const first = await lab.run("one", CHAIN);
  const alone = await lab.run("two", CHAIN, { targets: ["c"] });
  assertEquals(endStates(alone), "c: restored");
  assertEquals(digestsOf(alone)["c"], digestsOf(first)["c"]);
  assertEquals(endStates(await lab.run("two", CHAIN, { targets: ["c"] })), "c: cached");

  const { sha256 } = first.stages.get("c")!.manifest!.outputs["out"]!.files[0]!;
  write(lab.files("objects").find((path) => path.endsWith(sha256))!, [1]);
  const mended = await lab.run("three", CHAIN, { targets: ["c"] });
  assertEquals(endStates(mended), "b: restored, c: ran");
  assertEquals(digestsOf(mended)["c"], digestsOf(first)["c"]);
  const warned = mended.events.filter((event) => event.type === "stage-note" && event.level === "warn");
  assertEquals(warned.length, 1, "that one object is damaged");
});

Deno.test("a damaged object is a miss with a word, is made again, and is replaced", async () => {
  await using lab = await Lab.open();
  const first = await lab.run("one", CHAIN);
  for (const path of lab.files("objects")) write(path, Deno.readFileSync(path).map((byte) => byte ^ 1));
  const second = await lab.run("two", CHAIN);
  assertEquals(endStates(second), "a: ran, b: ran, c: ran");
  assertEquals(digestsOf(second), digestsOf(first));
  const said = second.notes.filter((note) => note.includes("value.txt is damaged in the shared cache"));
  assertEquals(said.length, 3, "one for each stage");
  assertEquals(endStates(await lab.run("three", CHAIN)), "a: restored, b: restored, c: restored");
});

function write(path: string, bytes: Iterable<number>): void {
  Deno.writeFileSync(path, Uint8Array.from(bytes));
}

Deno.test("a torn manifest or pointer is a miss with a word, and is replaced", async () => {
  for (const kind of ["results", "recipes"] as const) {
    await using lab = await Lab.open();
    await lab.run("one", CHAIN);
    for (const path of lab.files(kind)) write(path, Deno.readFileSync(path).subarray(0, 100));
    const second = await lab.run("two", CHAIN);
    // Without recipe pointers, the results are still found by the digests of their inputs.
    assertEquals(
      endStates(second),
      kind === "results" ? "a: ran, b: ran, c: ran" : "a: restored, b: restored, c: restored",
    );
    if (kind === "results") {
      assertEquals(lab.warnings.filter((text) => text.includes("is damaged; it counts as absent")).length, 3);
      assertEquals(endStates(await lab.run("three", CHAIN)), "a: restored, b: restored, c: restored");
    }
  }
});

Deno.test("a manifest that lies under another key is not served", async () => {
  await using lab = await Lab.open();
  await lab.run("one", CHAIN);
  const [x, y] = lab.files("results");
  const [first, second] = [x!, y!].map((path) => Deno.readFileSync(path));
  write(x!, second!);
  write(y!, first!);
  const again = await lab.run("two", CHAIN);
  assertEquals(Object.values(Object.fromEntries(again.stages)).filter(({ state }) => state === "ran").length, 2);
});

Deno.test("reading mode takes and does not give", async () => {
  await using lab = await Lab.open();
  await lab.run("one", CHAIN);
  const before = lab.files("objects");
  const second = await lab.run("two", CHAIN, { mode: "read", set: ["c.steps=3"] });
  assertEquals(endStates(second), "a: restored, b: restored, c: ran");
  assertEquals(lab.files("objects"), before);
});

Deno.test("a cache that cannot be written costs one warning and not the run", async () => {
  await using lab = await Lab.open();
  Deno.mkdirSync(lab.cacheFolder);
  // A file in place of a folder stops even root.
  Deno.writeTextFileSync(`${lab.cacheFolder}/v1`, "");
  const ran = await lab.run("one", CHAIN);
  assertEquals(endStates(ran), "a: ran, b: ran, c: ran");
  assertEquals(lab.warnings.length, 1, lab.warnings.join("\n"));
  const note = ran.events.findLast(({ type }) => type === "note");
  assertEquals(note, { type: "note", message: "3 results not sent to the shared cache" });
});

Deno.test("what could not be sent is sent by a later run, even by one with nothing to do", async () => {
  await using lab = await Lab.open();
  Deno.mkdirSync(lab.cacheFolder);
  Deno.writeTextFileSync(`${lab.cacheFolder}/v1`, "");
  await lab.run("one", CHAIN);
  await lab.endSender("one");
  Deno.removeSync(`${lab.cacheFolder}/v1`);
  // A run that only reads leaves the cache as it is.
  assertEquals(endStates(await lab.run("one", CHAIN, { mode: "read" })), "a: cached, b: cached, c: cached");
  assertEquals(lab.files("results"), []);
  const later = await lab.run("one", CHAIN);
  assertEquals(endStates(later), "a: cached, b: cached, c: cached");
  assertEquals(later.events.findLast(({ type }) => type === "note"), {
    type: "note",
    message: "3 results sent to the shared cache",
  });
  assertEquals([...Deno.readDirSync(lab.unsentFolder("one"))], []);
  assertEquals(endStates(await lab.run("two", CHAIN)), "a: restored, b: restored, c: restored");
});

Deno.test("an unreachable cache costs one warning and not the run", async () => {
  await using lab = await Lab.open();
  const { FolderBackend } = await import("../../../../../engine/store/cache/folder_backend.ts");
  lab.backend = new FolderBackend(`${lab.cacheFolder}/not/mounted`);
  assertEquals(endStates(await lab.run("one", CHAIN)), "a: ran, b: ran, c: ran");
  assertEquals(lab.warnings.length, 1, lab.warnings.join("\n"));
  assertStringIncludes(lab.warnings[0]!, "is not there; going on with the local store only");
});

Deno.test("a cache that never answers is given up after one wait, for all stages together", async () => {
  await using lab = await Lab.open();
  let asked = 0;
  lab.backend = { ...lab.backend, maxBytes: 1, open: () => (asked++, new Promise(() => {})) };
  const ran = await lab.run("one", CHAIN, { mode: "read", patience: { answerMs: 20 } });
  assertEquals(endStates(ran), "a: ran, b: ran, c: ran");
  assertEquals(asked, 3, "the first questions, which went out together");
  assertEquals(lab.warnings.length, 1, lab.warnings.join("\n"));
  assertStringIncludes(lab.warnings[0]!, "no answer in time");
});

Deno.test("a process that is too busy to look does not take that for silence", async () => {
  await using lab = await Lab.open();
  await lab.run("one", CHAIN);
  const open = lab.readFromMemory();
  let busy = true;
  lab.backend = {
    ...lab.backend,
    maxBytes: lab.backend.maxBytes,
    open: async (name, signal) => {
      if (busy) {
        busy = false;
        keepBusy(900);
        await new Promise((resolve) => setTimeout(resolve));
      }
      return await open(name, signal);
    },
  };
  const ran = await lab.run("two", CHAIN, { mode: "read", patience: { answerMs: 600 } });
  assertEquals(endStates(ran), "a: restored, b: restored, c: restored");
});

Deno.test("a request to stop ends waiting for a cache that hangs", async () => {
  await using lab = await Lab.open();
  const stop = new AbortController();
  lab.backend = {
    ...lab.backend,
    maxBytes: 1,
    open: () => {
      stop.abort();
      return new Promise(() => {});
    },
  };
  const ran = await lab.run("one", CHAIN, { stop: stop.signal });
  assertEquals(ran.status, "interrupted");
  assertEquals(lab.warnings, []);
});

Deno.test("an interrupted download leaves nothing, and objects that came are not fetched twice", async () => {
  await using lab = await Lab.open();
  await lab.run("one", CHAIN);
  const stop = new AbortController();
  const whole = lab.backend;
  lab.backend = {
    place: whole.place,
    maxBytes: whole.maxBytes,
    size: (name, signal) => whole.size(name, signal),
    create: (name, content, options) => whole.create(name, content, options),
    prepare: (signal) => whole.prepare(signal),
    open: async (name, signal) => {
      if (!name.includes("/objects/")) return await whole.open(name, signal);
      queueMicrotask(() => stop.abort());
      return { value: new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) }) };
    },
  };
  const stopped = await lab.run("two", CHAIN, { stop: stop.signal });
  assertEquals(stopped.status, "interrupted");
  assertEquals([...Deno.readDirSync(`${lab.machine("two")}/.noiseline/tmp`)], []);
  assertEquals([...Deno.readDirSync(`${lab.machine("two")}/.noiseline/results`)], []);
  lab.backend = whole;
  assertEquals(endStates(await lab.run("two", CHAIN)), "a: restored, b: restored, c: restored");
});

Deno.test("an empty store with a cache plans a restore whether or not the view is there", async () => {
  await using lab = await Lab.open();
  await lab.run("one", CHAIN);
  Deno.removeSync(`${lab.machine("one")}/.noiseline/objects`, { recursive: true });
  const plan = await planIn(lab.machine("one"), CHAIN, { cache: lab.cache() });
  assert([...plan.values()].every(({ state, shared }) => state === "restore" && shared === true));
  assertEquals(endStates(await lab.run("one", CHAIN)), "a: restored, b: restored, c: restored");
});
