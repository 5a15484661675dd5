import { assertEquals } from "@std/assert";
import { isToolkit, ownPlace } from "../../../../engine/process/own_frames.ts";

const OURS = import.meta.resolve("../../../../engine/keys/keys.ts");

Deno.test("ownPlace() is the innermost frame of the user's own, in any text", () => {
  const stack =
    `Error: a\n    at f (${OURS}:1:2)\n    at g (file:///home/a%20b/net.ts:3:4)\n    at file:///home/c.ts:5:6`;
  assertEquals(ownPlace(stack), "net.ts:3:4");
  for (const url of ["file://host/x", "file:///a%2Fb", "file:", "file:///", "file:///%", OURS, "https://a.b/c.ts"]) {
    assertEquals([ownPlace(`    at f (${url}:1:2)`), isToolkit(url)], [undefined, url === OURS]);
  }
});

Deno.test("ownPlace() takes no longer for texts that are made to be slow", () => {
  // With a search from each address, these took minutes.
  for (const part of ["file:", "file:///", "file:///a:", "file:///a:1:", "\n    at ", "\n", " ", ":1"]) {
    assertEquals(ownPlace(`    at ${part.repeat((4 << 20) / part.length)}`), undefined);
  }
});
