import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { tryDevice, type TryOptions } from "../../../engine/process/device_trial.ts";
import { trialOf } from "../../../stages/shared/device_trial.ts";
import type { DeviceDescription } from "../../../science/tensor/devices.ts";

const WASM: DeviceDescription = { name: "wasm", available: true, reason: "a wasm", numerics: "wasm/1/2-threads" };

type Try = (program: string, options?: TryOptions & { timeoutMs?: number }) => ReturnType<typeof tryDevice>;

/** Makes a function that tries a device with a given program, and a folder for the test. */
async function inFolder(use: (tryIt: Try, root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  let tries = 0;
  try {
    await use(async (text, { timeoutMs = 60_000, ...options } = {}) => {
      const program = join(root, `${tries++}.ts`);
      await Deno.writeTextFile(program, text);
      const trial = { ...trialOf(WASM), program, timeoutMs };
      return await tryDevice(trial, { folder: join(root, `verdicts${tries}`), ...options });
    }, root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const RIGHT = `console.log("right");`;

Deno.test("a device that computes right has no trouble, and what keeps it from that is told in words", () =>
  inFolder(async (tryIt, root) => {
    assertEquals(await tryIt(RIGHT), undefined);
    const tells = async (program: string, words: string, options?: Parameters<Try>[1]) =>
      assertStringIncludes((await tryIt(program, options))!.reason, words);
    await tells(`console.error("no such kernel"); Deno.exit(1);`, "it does not compute: no such kernel");
    // Like an addon that does not fit its library.
    await tells(`Deno.kill(Deno.pid, "SIGKILL");`, "it does not compute: deno run was ended by SIGKILL");
    await tells(`for (;;);`, "it took more than 0.5 s and was stopped", { timeoutMs: 500 });
    // A timeout is not stored as a verdict, because the machine may have been busy with other work.
    assertEquals([...Deno.readDirSync(root)].filter(({ name }) => name.startsWith("verdicts")).length, 3);
  }));

Deno.test("a verdict is kept on disk, and whatever else lies there counts as none", () =>
  inFolder(async (tryIt, root) => {
    const folder = join(root, "first");
    const trouble = await tryIt(`console.error("\\x1b[31mred\u200b"); Deno.exit(1);`, { folder });
    assertStringIncludes(trouble!.reason, "red");
    const [{ name }] = [...Deno.readDirSync(folder)] as [Deno.DirEntry];
    const text = await Deno.readTextFile(join(folder, name));
    const kept = JSON.parse(text);
    assertEquals(kept.of.split(" ").slice(0, 2), ["wasm", "wasm/1"]);
    // deno-lint-ignore no-control-regex
    assert(!/\x1b/.test(kept.trouble.reason), kept.trouble.reason);
    let folders = 0;
    // A process reads each file only once, so another folder stands in for the next process.
    const found = async (text: string) => {
      const folder = join(root, `found${folders++}`);
      await Deno.mkdir(folder);
      await Deno.writeTextFile(join(folder, name), text);
      return await tryIt(RIGHT, { folder });
    };
    assertEquals(await found(text), trouble);
    const others = [
      "{",
      JSON.stringify({ ...kept, of: "another device" }),
      JSON.stringify({ ...kept, trouble: { reason: "\u001b[2J" } }),
      JSON.stringify({ ...kept, more: 1 }),
    ];
    for (const other of others) assertEquals(await found(other), undefined, other.slice(0, 80));
    assertEquals(await tryIt(RIGHT, { folder, again: true }), undefined);
    // The verdict need not be stored: no folder can be made here.
    if (Deno.build.os === "linux") assertEquals(await tryIt(RIGHT, { folder: "/proc/none/devices" }), undefined);
    assertEquals(JSON.parse(await Deno.readTextFile(join(folder, name))).trouble, null);
  }));
