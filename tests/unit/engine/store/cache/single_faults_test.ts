import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { PATIENCE } from "../../../../../engine/store/cache/client.ts";
import { objectName, PROBE, resultName } from "../../../../../engine/store/cache/layout.ts";
import { S3Backend } from "../../../../../engine/store/cache/s3_backend.ts";
import { type Asked, TinyS3 } from "../../../../support/tiny_s3.ts";
import { digestsOf, endStates } from "../../support/reach.ts";
import { Lab } from "../../support/shared.ts";

/** Three stages that do not read each other, so that a fault of one result affects no other. */
const APART = `name: p
stages:
  a: { uses: source, with: { text: one } }
  b: { uses: source, with: { text: two } }
  c: { uses: source, with: { text: three } }
`;
const ALL_RESTORED = "a: restored, b: restored, c: restored";

/** Makes a lab whose cache is an S3 service in this process. */
async function openLab() {
  const stack = new AsyncDisposableStack();
  const lab = stack.use(await Lab.open());
  const server = stack.use(new TinyS3());
  lab.backend = new S3Backend({ base: server.base, region: "r", credentials: undefined }, "");
  return { lab, server, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("a cache is waited for as long, and asked as often, as docs/shared-cache.md says", () => {
  assertEquals(PATIENCE, {
    answerMs: 5_000,
    stallMs: 15_000,
    backOffMs: 250,
    readTries: 3,
    writeTries: 5,
    lookMs: 10_000,
  });
});

Deno.test("a file that may not be read counts as absent, and all others are served", async () => {
  await using world = await openLab();
  const { lab, server } = world;
  const first = await lab.run("one", APART);
  const { resolvedKey, outputs } = first.stages.get("b")!.manifest!;
  const denied = { two: objectName(outputs["out"]!.files[0]!.sha256), three: resultName(resolvedKey) };
  for (const [machine, name] of Object.entries(denied)) {
    server.decide = (asked) => asked.name === name ? 403 : undefined;
    const second = await lab.run(machine, APART, { mode: "read" });
    assertEquals(endStates(second), "a: restored, b: ran, c: restored");
    assertEquals(digestsOf(second), digestsOf(first));
    assertEquals(lab.warnings.length, 1, lab.warnings.join("\n"));
    assertStringIncludes(lab.warnings[0]!, "reading was denied: 403");
  }
});

Deno.test("a service that asks for patience once, for each file, costs nothing but that", async () => {
  for (const status of [409, 429, 503]) {
    await using world = await openLab();
    const { lab, server } = world;
    const refused = new Set<string>();
    server.decide = ({ method, name }) => {
      if (refused.has(method + name)) return undefined;
      refused.add(method + name);
      return status;
    };
    assertEquals(endStates(await lab.run("one", APART)), "a: ran, b: ran, c: ran");
    assertEquals(lab.warnings, []);
    assertEquals(server.names("/results/").length, 3);
    assertEquals(endStates(await lab.run("two", APART)), ALL_RESTORED);
    assertEquals(lab.warnings, []);
  }
});

Deno.test("a service that stays busy is asked three times when reading, five when writing, ever more slowly", async () => {
  for (const [method, tries] of [["GET", 3], ["PUT", 5]] as const) {
    await using world = await openLab();
    const { lab, server } = world;
    const one = "name: p\nstages:\n  a: { uses: source }\n";
    const isFile = (asked: Asked) => asked.method === method && asked.name !== PROBE;
    server.decide = (asked) => isFile(asked) ? 503 : undefined;
    const mode = method === "GET" ? "read" : "read-write";
    assertEquals(endStates(await lab.run("one", one, { mode, patience: { backOffMs: 8 } })), "a: ran");
    const times = server.asked.filter(isFile).map(({ at }) => at);
    assertEquals(times.length, tries);
    const pauses = times.slice(1).map((at, index) => at - times[index]!);
    pauses.forEach((pause, index) => assert(pause >= 8 * 2 ** index - 1, `${pauses}`));
    assertEquals(lab.warnings.length, 1, lab.warnings.join("\n"));
  }
});

Deno.test("a file that stops coming has its stage run here, and the cache is no longer read", async () => {
  await using lab = await Lab.open();
  const chain = "name: p\nstages:\n  a: { uses: source }\n  b: { uses: mix, inputs: { one: a } }\n";
  const first = await lab.run("one", chain);
  const whole = lab.backend;
  const open = lab.readFromMemory();
  const opened: string[] = [];
  let cancelled = 0;
  lab.backend = {
    ...whole,
    open: async (name, signal) => {
      opened.push(name);
      if (!name.includes("/objects/")) return await open(name, signal);
      return {
        value: new ReadableStream({
          start: (controller) => controller.enqueue(new Uint8Array(1)),
          cancel: () => void cancelled++,
        }),
      };
    },
  };
  const second = await lab.run("two", chain, { mode: "read", patience: { stallMs: 60 } });
  assertEquals(endStates(second), "a: ran, b: ran");
  assertEquals(digestsOf(second), digestsOf(first));
  assertEquals(opened.filter((name) => name.includes("/objects/")).length, 1, opened.join("\n"));
  assertStringIncludes(opened.at(-1)!, "/objects/");
  assertEquals(cancelled, 1, "nothing keeps a connection that stalls");
  assertEquals(lab.warnings.length, 1, lab.warnings.join("\n"));
  assertStringIncludes(lab.warnings[0]!, "cannot be reached: no answer in time; going on with the local store only");
});

Deno.test("a file that comes slowly but steadily is waited for longer than one that stops", async () => {
  await using lab = await Lab.open();
  const one = "name: p\nstages:\n  a: { uses: source }\n";
  const first = await lab.run("one", one);
  const { size } = first.stages.get("a")!.manifest!.outputs["out"]!.files[0]!;
  assert(size >= 3);
  const whole = lab.backend;
  lab.backend = {
    ...whole,
    open: async (name, signal) => {
      const answer = await whole.open(name, signal);
      if (!name.includes("/objects/") || "trouble" in answer) return answer;
      const slow = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform: async (chunk, controller) => {
          for (const byte of chunk) {
            await new Promise((resolve) => setTimeout(resolve, 400));
            controller.enqueue(Uint8Array.of(byte));
          }
        },
      });
      return { value: answer.value!.pipeThrough(slow) };
    },
  };
  const second = await lab.run("two", one, { mode: "read", patience: { stallMs: 1_100 } });
  assertEquals(endStates(second), "a: restored");
  assertEquals(lab.warnings, []);
});
