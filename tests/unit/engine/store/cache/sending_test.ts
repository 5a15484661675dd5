import { sha256Of } from "../../../../../engine/store/reading.ts";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { FolderBackend } from "../../../../../engine/store/cache/folder_backend.ts";
import { S3Backend } from "../../../../../engine/store/cache/s3_backend.ts";
import { until } from "../../../../support/until.ts";
import { digestsOf, endStates } from "../../support/reach.ts";
import { Lab } from "../../support/shared.ts";
import { holds } from "../../support/tiny_run.ts";
import { timeIn } from "../../../../support/clock.ts";

const SOURCE = "name: p\nstages:\n  a: { uses: source }\n";

Deno.test("a result is sent while the next stage runs", async () => {
  await using lab = await Lab.open();
  const yaml = `name: p
stages:
  a: { uses: source }
  b: { uses: mix, inputs: { one: a }, with: { text: held } }
`;
  const { promise, resolve } = Promise.withResolvers<void>();
  holds.set("held", promise);
  try {
    const ended: string[] = [];
    const run = lab.run("one", yaml, {
      emit: (event) => {
        if (event.type === "stage-finished") ended.push(event.id);
      },
    });
    await until("the first result to be sent", () => lab.files("recipes").length > 0);
    assertEquals([lab.files("objects").length, lab.files("results").length, lab.files("recipes").length], [1, 1, 1]);
    assertEquals(ended, ["a"]);
    // Another machine can already fetch it from there.
    const other = await lab.run("two", SOURCE);
    assertEquals(endStates(other), "a: restored");
    resolve();
    assertEquals(endStates(await run), "a: ran, b: ran");
    assertEquals(lab.files("results").length, 2);
  } finally {
    resolve();
    holds.delete("held");
  }
});

Deno.test("what killed writers left in a folder goes after a day, and not before", async () => {
  await using lab = await Lab.open();
  const tmp = join(lab.cacheFolder, "tmp");
  Deno.mkdirSync(tmp, { recursive: true });
  const hour = 3_600;
  const now = timeIn({}) / 1_000;
  for (const hours of [1, 23, 25, 100]) {
    const path = join(tmp, `${crypto.randomUUID()}-${hours}`);
    Deno.writeTextFileSync(path, "part of a");
    Deno.utimeSync(path, now - hours * hour, now - hours * hour);
  }
  // A folder that existed before the cache may contain a folder of this name too.
  Deno.writeTextFileSync(join(tmp, "notes.txt"), "the user's own");
  Deno.utimeSync(join(tmp, "notes.txt"), now - 100 * hour, now - 100 * hour);
  const left = () => [...Deno.readDirSync(tmp)].map(({ name }) => name.slice(36)).sort();
  // A machine that only reads leaves the folder as it is.
  await lab.run("one", SOURCE, { mode: "read" });
  assertEquals(left().length, 5);
  await lab.run("two", SOURCE);
  assertEquals(left(), ["", "-1", "-23"]);
  assertEquals(Deno.readTextFileSync(join(tmp, "notes.txt")), "the user's own");
});

const signal = new AbortController().signal;
const contentOf = (text: string) => {
  const bytes = new TextEncoder().encode(text);
  return { sha256: sha256Of(bytes), size: bytes.length, from: { bytes } };
};

/** Lets another function make hard links until it is disposed of. */
function withLinks(link: typeof Deno.link): Disposable {
  const own = Deno.link;
  Deno.link = link;
  return { [Symbol.dispose]: () => void (Deno.link = own) };
}

/** Returns an error as Deno would throw it. */
const failWith = (code: string) => Promise.reject(Object.assign(new Error(`told to fail (${code})`), { code }));

Deno.test("where there are no hard links, a file is renamed if nobody was first", async () => {
  for (const code of ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EXDEV"]) {
    await using lab = await Lab.open();
    let asked = 0;
    using _none = withLinks(() => (asked++, failWith(code)));
    const backend = new FolderBackend(lab.cacheFolder);
    const create = (text: string, replace: boolean) => backend.create("v1/x", contentOf(text), { signal, replace });
    const read = () => Deno.readTextFileSync(join(lab.cacheFolder, "v1/x"));
    assertEquals(await create("first", false), { value: "created" });
    assertEquals([await create("second", false), read()], [{ value: "exists" }, "first"]);
    assertEquals([await create("third", true), read()], [{ value: "created" }, "third"]);
    assertEquals(asked, 1, "a file system without links is asked once");
    assertEquals([...Deno.readDirSync(join(lab.cacheFolder, "tmp"))], []);
  }
});

Deno.test("a cache in a folder without hard links serves as any other", async () => {
  await using lab = await Lab.open();
  using _none = withLinks(() => failWith("ENOTSUP"));
  const first = await lab.run("one", SOURCE);
  const second = await lab.run("two", SOURCE);
  assertEquals([endStates(first), endStates(second)], ["a: ran", "a: restored"]);
  assertEquals([digestsOf(second), lab.warnings], [digestsOf(first), []]);
});

Deno.test("a link that fails without space or server does not end first come, first served", async () => {
  for (
    const [code, kind] of [["ENOSPC", "refused"], ["EACCES", "denied"], ["EIO", "busy"], ["ESTALE", "busy"]] as const
  ) {
    await using lab = await Lab.open();
    let fails = true;
    const { link } = Deno;
    using _some = withLinks((from, to) => fails ? failWith(code) : link(from, to));
    const backend = new FolderBackend(lab.cacheFolder);
    const create = (text: string) => backend.create("v1/x", contentOf(text), { signal, replace: false });
    const failed = await create("first");
    assertEquals("trouble" in failed && failed.trouble.kind, kind);
    assertEquals([...Deno.readDirSync(join(lab.cacheFolder, "v1"))], [], "nothing is there that was not linked");
    fails = false;
    // Exactly one of many simultaneous writers wins, which a check before a rename could not guarantee.
    const all = await Promise.all(Array.from({ length: 8 }, (_, writer) => create(`${writer}`)));
    assertEquals(all.filter((one) => "value" in one && one.value === "created").length, 1);
  }
});

Deno.test("S3 takes objects up to 5 GiB", () => {
  const backend = new S3Backend({ base: "http://h/bkt", region: "r", credentials: undefined }, "");
  assertEquals(backend.maxBytes, 5 * 1024 ** 3);
});

Deno.test("a result that is too large for the service stays local, and all others are sent", async () => {
  await using lab = await Lab.open();
  // The text "mod" gives one digit, others give more.
  const yaml = "name: p\nstages:\n  large: { uses: source, with: { text: long } }\n" +
    "  small: { uses: source, with: { text: mod } }\n";
  const whole = lab.backend;
  lab.backend = {
    place: whole.place,
    maxBytes: 2,
    prepare: (signal) => whole.prepare(signal),
    size: (name, signal) => whole.size(name, signal),
    create: (name, content, options) => whole.create(name, content, options),
    open: (name, signal) => whole.open(name, signal),
  };
  const ran = await lab.run("one", yaml);
  assertEquals(endStates(ran), "large: ran, small: ran");
  const sizes = ["large", "small"].map((id) => ran.stages.get(id)!.manifest!.outputs["out"]!.files[0]!.size);
  assert(sizes[0]! > 2 && sizes[1]! <= 2, `${sizes}`);
  assertEquals(lab.warnings.length, 1);
  assertStringIncludes(lab.warnings[0]!, "1 result was not sent: value.txt is larger than the service takes at once");
  assertEquals([lab.files("objects").length, lab.files("results").length], [1, 1]);
  assertEquals(endStates(await lab.run("two", yaml)), "large: ran, small: restored");
  // The file would be as large the next time, so the warning is not repeated.
  assertEquals([...Deno.readDirSync(lab.unsentFolder("one"))], []);
  assertEquals([endStates(await lab.run("one", yaml)), lab.warnings], ["large: cached, small: cached", []]);
});
