import { assertEquals } from "@std/assert";

/** A worker that is busy for 50 ms at a time and prints how often until it saw the message. */
const WORKER = `
import { yieldToMessages } from ${JSON.stringify(new URL("../../../stages/shared/macrotask.ts", import.meta.url).href)};
let told = false;
(async () => { for await (const _ of Deno.stdin.readable) told = true; })();
await yieldToMessages();
Deno.stdout.writeSync(new TextEncoder().encode("ready"));
let rounds = 0;
for (; !told && rounds < 40; rounds++) {
  const start = performance.now();
  while (performance.now() - start < 50);
  await yieldToMessages();
}
Deno.stdout.writeSync(new TextEncoder().encode(String(rounds)));
Deno.exit(0);
`;

Deno.test("yieldToMessages() lets a message in soon when the process computes without a pause", async () => {
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", WORKER], stdin: "piped", stdout: "piped" }).spawn();
  const output = child.stdout.getReader();
  const read = async () => new TextDecoder().decode((await output.read()).value);
  assertEquals(await read(), "ready");
  const input = child.stdin.getWriter();
  await input.write(Uint8Array.of(1));
  // It looks every 200 ms, which are four rounds. The message may be written after a round has begun, and on a busy machine
  // after the next one has.
  const rounds = Number(await read());
  assertEquals(rounds >= 1 && rounds <= 8, true, `${rounds} rounds`);
  await Promise.all([child.status, input.close().catch(() => {})]);
  await output.cancel();
});
