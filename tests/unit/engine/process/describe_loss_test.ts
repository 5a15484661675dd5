import { assertEquals } from "@std/assert";
import { describeLoss } from "../../../../engine/process/child.ts";

Deno.test("a process that crashed is told where to look for damaged libraries, and one that was ended is not", () => {
  const fixOf = (signal: Deno.Signal) => {
    const child = { memoryRanOut: false, peakBytes: 0 } as Parameters<typeof describeLoss>[0];
    const loss = describeLoss(child, { code: 1, signal }, "", "use less");
    return { ...loss, status: undefined };
  };
  for (const signal of ["SIGSEGV", "SIGBUS", "SIGILL", "SIGABRT"] as const) {
    const [message, fix] = [`its process ended by ${signal}`, "see if all devices work: deno task doctor"];
    assertEquals<unknown>(fixOf(signal), { status: undefined, message, fix });
  }
  assertEquals<unknown>(fixOf("SIGTERM"), { status: undefined, message: "its process ended by SIGTERM" });
});
