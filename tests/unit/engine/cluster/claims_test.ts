import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { claimKey, type ClaimOptions } from "../../../../engine/cluster/claims.ts";
import { currentUser } from "../../../../engine/store/processes.ts";
import { makeTempFolder } from "../support/temp.ts";

const KEY = "ab".repeat(32);

function claim(cache: string, job: string, more: Partial<ClaimOptions> = {}) {
  return claimKey(KEY, {
    cache,
    own: { id: job, attempt: 0 },
    queue: { isQueued: () => Promise.resolve(true) },
    isPublished: () => false,
    stop: new AbortController().signal,
    onWait: () => {},
    lookMs: 1,
    ...more,
  });
}

function claims(cache: string): string[] {
  return [...Deno.readDirSync(join(cache, "cluster/claims"))].map(({ name }) => name.slice(KEY.length + 1)).sort();
}

const held = (one: Awaited<ReturnType<typeof claim>>) => typeof one === "string" ? one : "held";

Deno.test("of many processes that claim a key at once one has it", async () => {
  await using folder = await makeTempFolder();
  const script = new URL("./claim_once.ts", import.meta.url).pathname;
  const outputs = await Promise.all(
    Array.from({ length: 6 }, (_, job) =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--quiet", "--no-check", script, folder.path, KEY, `${job}`],
      }).output()),
  );
  const said = outputs.map(({ stdout }) => new TextDecoder().decode(stdout).trim()).sort();
  assertEquals(said, ["claimed", ...Array(5).fill("stopped")]);
  assertEquals(claims(folder.path), ["0"]);
});

Deno.test("a claim counts while its job is queued, or nobody knows; then the next has it", async () => {
  await using folder = await makeTempFolder();
  const first = await claim(folder.path, "1");
  assertEquals(held(first), "held");
  const answers = [undefined, true, undefined, false];
  const asked: string[] = [];
  const isQueued = (id: string) => {
    asked.push(id);
    return Promise.resolve(answers.shift());
  };
  const second = await claim(folder.path, "2", { queue: { isQueued } });
  assertEquals([held(second), asked], ["held", ["1", "1", "1", "1"]]);
  assertEquals(claims(folder.path), ["0", "1"]);
  // The first was only cut off. As long as the second works on the key, a third finds the second's claim.
  (first as Disposable)[Symbol.dispose]();
  assertEquals(claims(folder.path), ["0", "1"]);
  const stop = new AbortController();
  const waitedFor: string[] = [];
  const queue = { isQueued: (id: string) => Promise.resolve(id === "2") };
  const onWait = ({ job }: { job: string }) => {
    waitedFor.push(job);
    stop.abort();
  };
  assertEquals(held(await claim(folder.path, "3", { queue, onWait, stop: stop.signal })), "stopped");
  assertEquals(waitedFor, ["2"]);
  (second as Disposable)[Symbol.dispose]();
  assertEquals(claims(folder.path), []);
});

Deno.test("whoever waits is told of the result, or has the claim when it was given up without one", async () => {
  await using folder = await makeTempFolder();
  const first = await claim(folder.path, "1") as Disposable;
  let looks = 0;
  assertEquals(held(await claim(folder.path, "2", { isPublished: () => ++looks > 3 })), "published");
  const second = claim(folder.path, "2", { onWait: () => first[Symbol.dispose]() });
  assertEquals([held(await second), claims(folder.path)], ["held", ["0"]]);
});

Deno.test("a result that was published before the claim is made ends it", async () => {
  await using folder = await makeTempFolder();
  assertEquals(held(await claim(folder.path, "1", { isPublished: () => true })), "published");
  assertEquals(claims(folder.path), []);
});

Deno.test("earlier attempts, other users and what is no claim are not waited for", async () => {
  await using folder = await makeTempFolder();
  Deno.mkdirSync(join(folder.path, "cluster/claims"), { recursive: true });
  const at = new Date().toISOString();
  const texts = [
    JSON.stringify({ user: currentUser(), job: "1", attempt: 0, at }),
    JSON.stringify({ user: "somebody else", job: "2", attempt: 0, at }),
    "torn",
    JSON.stringify({ user: currentUser() }),
  ];
  texts.forEach((text, number) => {
    Deno.writeTextFileSync(join(folder.path, "cluster/claims", `${KEY}.${number}`), text);
  });
  const one = await claim(folder.path, "1");
  assertEquals([held(one), claims(folder.path)], ["held", ["0", "1", "2", "3", "4"]]);
  (one as Disposable)[Symbol.dispose]();
  assertEquals(claims(folder.path), []);
});

Deno.test("where no claim can be made the key is computed all the same", async () => {
  await using folder = await makeTempFolder();
  Deno.mkdirSync(join(folder.path, "cluster"));
  Deno.writeTextFileSync(join(folder.path, "cluster/claims"), "in the way");
  assertEquals(held(await claim(folder.path, "1")), "held");
});
