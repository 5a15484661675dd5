import { assertEquals, assertMatch } from "@std/assert";
import { explainRefusal, outcomeOfThrow } from "../../../../engine/process/refusal.ts";

const inputs = ["/t/in/from/0"];
const told = (text: string) => explainRefusal(text, inputs)?.message;

Deno.test("explainRefusal() says what was tried, whose it is, and nothing about other errors", () => {
  const run = ", run again with the --allow-read flag";
  assertEquals(
    told(`Requires read access to "/a b, c/d"${run}`),
    "the stage may not read /a b, c/d: it is not one of its inputs",
  );
  assertEquals(
    told(`Requires write access to "/t/in/from/0/x"${run}`),
    "the stage may not write /t/in/from/0/x: inputs are read-only",
  );
  assertEquals(
    told(`Requires write access to "/t/in/from/00"${run}`),
    "the stage may not write /t/in/from/00: it is outside its outputs",
  );
  assertEquals(told(`Requires write access to <TMP>${run}`), "the stage may not write TMP: it is outside its outputs");
  assertEquals(told(`Requires env access, run again`), "the stage may not read all environment variables");
  assertEquals(
    told(`Requires quantum access to "x"`),
    "the stage tried something it did not declare: quantum access to x",
  );
  assertEquals(told("no such file"), undefined);
  const missing = (name: string, from: string) =>
    explainRefusal(
      `SyntaxError: The requested module '${from}' does not provide an export named '${name}' at file:///a.ts:1:10`,
    );
  assertEquals(missing("z", "noiseline"), {
    message: 'the code imports "z" from "noiseline", which does not export it (/a.ts:1:10)',
    fix: 'write import { z } from "zod"',
  });
  assertEquals(missing("one", "./b.ts")?.fix, "correct the name, or export it there");
  assertMatch(explainRefusal('Requires net access to "h:1"')!.fix, /permissions: \{ net: \["h:1"\] \}/);
});

Deno.test("outcomeOfThrow() tells bugs, refusals and want of space apart, and survives what is thrown", () => {
  const of = (thrown: unknown) => outcomeOfThrow(thrown, inputs);
  assertEquals(of(new Deno.errors.NotCapable("odd")).status, "failed");
  assertEquals(of(Object.assign(new Error("full"), { code: "ENOSPC" })).status, "failed");
  // A folder that already exists is a bug in the stage, not a lack of space.
  assertEquals(of(Object.assign(new Error("there"), { code: "EEXIST" })).status, "crashed");
  for (const thrown of [undefined, null, 0, 1n, Symbol("s"), () => {}, Object.create(null), "\u001b[31mred"]) {
    const outcome = of(thrown);
    assertEquals(outcome.status, "crashed");
    // deno-lint-ignore no-control-regex
    assertEquals(/\u001b/.test(JSON.stringify(outcome)), false);
  }
  const long = of(new RangeError("x".repeat(1 << 20)));
  assertEquals(
    long.status === "crashed" && long.stack.length < 20_000 && long.stack.startsWith("RangeError: xxx"),
    true,
  );
});
