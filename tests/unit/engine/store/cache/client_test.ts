import { assert, assertEquals } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { CacheBackend } from "../../../../../engine/store/cache/backend.ts";
import { CacheClient } from "../../../../../engine/store/cache/client.ts";

const PIECES = 400;
const PIECE_BYTES = 1 << 20;

/** A cache in which every file is 400 MB of zeros. */
const backend: CacheBackend = {
  place: "memory",
  maxBytes: Infinity,
  open: () => {
    let left = PIECES;
    const pull = (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>) => {
      if (left-- > 0) controller.enqueue(new Uint8Array(PIECE_BYTES));
      else controller.close();
    };
    return Promise.resolve({ value: new ReadableStream({ pull }) });
  },
  size: () => Promise.resolve({ value: PIECES * PIECE_BYTES }),
  create: () => Promise.resolve({ value: "exists" }),
  prepare: () => Promise.resolve({ value: undefined }),
};

Deno.test("nothing that was read from a cache is kept once it has been taken", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const stop = new AbortController();
  const client = new CacheClient(backend, { name: "memory", warn: () => {}, stop: stop.signal });
  let pieces = 0;
  assert(await client.stream("a", () => () => ++pieces > 0));
  assertEquals(pieces, PIECES);
  collect();
  const heldPieces = Deno.memoryUsage().external / PIECE_BYTES;
  assert(heldPieces < PIECES / 4, `${Math.round(heldPieces)} of ${PIECES} pieces are held`);
  assertEquals(stop.signal.aborted, false);
});
