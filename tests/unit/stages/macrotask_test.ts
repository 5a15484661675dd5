import { assertEquals } from "@std/assert";

/** A worker that is busy for 50 ms at a time until it has seen the message, and prints how often its timers fired. */
const WORKER = `
import { yieldToMessages } from ${JSON.stringify(new URL("../../../stages/shared/macrotask.ts", import.meta.url).href)};
let told = false;
(async () => { for await (const _ of Deno.stdin.readable) told = true; })();
await yieldToMessages();
Deno.stdout.writeSync(new TextEncoder().encode("ready"));
let rounds = 0;
let ticks = 0;
const tick = () => void (ticks++, setTimeout(tick, 0));
tick();
for (; (!told || rounds < 20) && rounds < 1_200; rounds++) {
  const start = performance.now();
  while (performance.now() - start < 50);
  await yieldToMessages();
}
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({ told, ticks })));
Deno.exit(0);
`;

Deno.test("yieldToMessages() lets a message in soon when the process computes without a pause", async () => {
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", WORKER], stdin: "piped", stdout: "piped" }).spawn();
  const output = child.stdout.getReader();
  const read = async () => new TextDecoder().decode((await output.read()).value);
  assertEquals(await read(), "ready");
  const input = child.stdin.getWriter();
  await input.write(Uint8Array.of(1));
  // In 20 rounds, a second or more, it yields every 200 ms, and each time a timer of the process can fire. The arrival
  // time of the message depends on the machine.
  const { told, ticks } = JSON.parse(await read());
  assertEquals([told, ticks >= 4], [true, true], `${ticks} ticks`);
  await Promise.all([child.status, input.close().catch(() => {})]);
  await output.cancel();
});
