import { assertEquals } from "@std/assert";
import { addToLock, allBelow } from "../../../../engine/process/module_lock.ts";
import { resolveName } from "../../../../engine/process/code_digest.ts";

Deno.test("a lock that is added to the toolkit's keeps which version each package builds on", () => {
  // The toolkit's lock has string-width 4.2.3 and 8.x, so its entries name the version; a lock of few packages does
  // not.
  const own = {
    npm: {
      "box@1.0.0": { dependencies: ["string-width", "alias@npm:ansi-regex@5.0.1"], optionalPeers: ["ansi-regex"] },
      "string-width@5.1.2": { dependencies: ["ansi-regex"] },
      "ansi-regex@5.0.1": {},
      "@scope/peer@2.0.0_box@1.0.0": { dependencies: ["box"] },
    },
  };
  const lock = addToLock(own, new Map([["npm:@scope/peer@2.0.0", "@scope/peer@2.0.0_box@1.0.0"]]));
  assertEquals(lock.specifiers?.["npm:@scope/peer@2.0.0"], "2.0.0_box@1.0.0");
  assertEquals(lock.npm?.["box@1.0.0"], {
    dependencies: ["string-width@5.1.2", "alias@npm:ansi-regex@5.0.1"],
    optionalPeers: ["ansi-regex@5.0.1"],
  });
  assertEquals(
    [...allBelow(["@scope/peer@2.0.0_box@1.0.0"], lock)].sort(),
    ["@scope/peer@2.0.0_box@1.0.0", "ansi-regex@5.0.1", "box@1.0.0", "string-width@5.1.2"],
  );
});

Deno.test("resolveName() lets the user's settings decide, but for names that must mean the same to the toolkit", () => {
  const names = {
    zod: "npm:zod@4.0.0",
    noiseline: "file:///t/api.ts",
    "@noiseline/noiseline/data": "file:///t/api.ts",
    yaml: "npm:yaml@2.0.0",
    "d/": "npm:/d@1.0.0/",
  };
  const resolve = (name: string, own?: string) => resolveName(name, own, names);
  assertEquals(resolve("zod", "npm:zod@3"), { url: "npm:zod@4.0.0", pinned: true });
  assertEquals(resolve("noiseline", "file:///mine.ts"), { url: "file:///t/api.ts", pinned: true });
  assertEquals(resolve("noiseline/testing", "file:///mine.ts"), undefined);
  assertEquals(resolve("npm:zod@3.1.0", "npm:zod@3.1.0"), { url: "npm:zod@4.0.0", pinned: true });
  assertEquals(resolve("jsr:@noiseline/noiseline@^9/data"), { url: "file:///t/api.ts", pinned: true });
  assertEquals(resolve("yaml", "npm:yaml@1"), { url: "npm:yaml@1", pinned: false });
  assertEquals(resolve("yaml", "npm:yaml@2.0.0"), { url: "npm:yaml@2.0.0", pinned: true });
  assertEquals(resolve("yaml", "jsr:@x/yaml"), { url: "npm:yaml@2.0.0", pinned: true });
  assertEquals(resolve("d/sub.js"), { url: "npm:/d@1.0.0/sub.js", pinned: true });
  assertEquals(resolve("mine", "jsr:@x/mine"), { url: "jsr:@x/mine", pinned: false });
  assertEquals(resolve("nowhere"), undefined);
});
