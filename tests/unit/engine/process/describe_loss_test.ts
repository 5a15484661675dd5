import { assertEquals } from "@std/assert";
import { describeLoss } from "../../../../engine/process/child.ts";

Deno.test("a process that crashed is told where to look for damaged libraries, and one that was ended is not", () => {
  const fixOf = (signal: Deno.Signal, status: { code?: number; isGuess?: boolean } = {}) => {
    const child = { memoryRanOut: false, peakBytes: 0 } as Parameters<typeof describeLoss>[0];
    const loss = describeLoss(child, { code: 1, signal, ...status }, "", "use less");
    return { ...loss, status: undefined };
  };
  for (const signal of ["SIGSEGV", "SIGBUS", "SIGILL", "SIGABRT"] as const) {
    const [message, fix] = [`its process ended by ${signal}`, "see if all devices work: deno task doctor"];
    assertEquals<unknown>(fixOf(signal), { status: undefined, message, fix });
  }
  const fix = "if something else ended it, such as a limit of this machine, have that changed";
  assertEquals<unknown>(fixOf("SIGTERM"), { status: undefined, message: "its process ended by SIGTERM", fix });
  const message = "it exited with code 143, as a program does that SIGTERM ends";
  assertEquals<unknown>(fixOf("SIGTERM", { code: 143, isGuess: true }), { status: undefined, message, fix });
});
