import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { closeAppended } from "../../../engine/store/files.ts";
import { listFiles } from "../../../engine/store/folders.ts";
import { hasProgram } from "../../support/proc.ts";
import { makeRan } from "../../unit/cli/ran.ts";

/** Files of the store by their purpose, and things that can be in their place. */
const PARTS = {
  manifest: (store: string) => listFiles(join(store, "results")).files.map((path) => join(store, "results", path)),
  object: (store: string) => listFiles(join(store, "objects")).files.map((path) => join(store, "objects", path)),
  index: (store: string) => [join(store, "index.jsonl")],
  "view record": (store: string) => [join(store, "views/small.jsonl")],
  lock: (store: string) => [join(store, "locks/still.lock"), join(store, "locks/turn.lock")],
  run: (store: string) => listFiles(join(store, "runs")).files.map((path) => join(store, "runs", path)),
};

const ODD = {
  folder: (path: string) => Deno.mkdirSync(join(path, "deep"), { recursive: true }),
  pipe: (path: string) => {
    if (hasProgram("mkfifo")) new Deno.Command("mkfifo", { args: [path] }).outputSync();
  },
  device: (path: string) => Deno.symlinkSync("/dev/zero", path),
  loop: (path: string) => Deno.symlinkSync(path, path),
  "file without an end in sight": (path: string) => {
    Deno.writeTextFileSync(path, "{");
    Deno.truncateSync(path, 300 * 2 ** 20);
  },
};

for (const [what, put] of Object.entries(ODD)) {
  Deno.test(`a ${what} in the place of any file of the store is passed over or said, and the next run heals it`, async () => {
    for (const [part, pathsOf] of Object.entries(PARTS)) {
      // Reading such a file takes no memory, but half a second.
      if (what.startsWith("file") && !["manifest", "view record"].includes(part)) continue;
      await using ran = await makeRan();
      const { folder, store, cli } = ran;
      for (const path of pathsOf(store)) {
        closeAppended(path);
        Deno.removeSync(path);
        put(path);
      }
      // Remembered content would hide the odd file.
      Deno.removeSync(join(store, "cache"), { recursive: true });
      if (part === "manifest") Deno.removeSync(join(store, "index.jsonl"));
      const at = ["--store", join(folder, ".noiseline")];
      for (
        const args of [["verify", ...at], ["gc", ...at], ["runs", ...at], ["status", "@p.yaml"], ["report", "@p.yaml"]]
      ) {
        assert([0, 1].includes((await cli(...args)).code), `${args.join(" ")} with a ${what} for a ${part}`);
      }
      const run = await cli("run", "@p.yaml", "--jobs", "1");
      assertEquals(run.code, 0, `${what} for a ${part}: ${run.said}`);
      const verified = await cli("verify", ...at);
      assertEquals([verified.code, verified.said.includes("all good")], [0, true], `${what} for a ${part}`);
    }
  });
}
