import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import fc from "fast-check";
import type { InputArtifact, StageEnd } from "../../../engine/contract/stage.ts";
import { folderArtifact, openInput, openOutput } from "../../../engine/process/context.ts";
import { type Batch, batchesOfShare, inParts } from "../../../stages/shared/parts.ts";
import { withFolder } from "./small_world.ts";

const never = new AbortController().signal;

const dealings = fc.record({
  count: fc.integer({ min: 1, max: 200 }),
  batchSize: fc.integer({ min: 1, max: 40 }),
  of: fc.integer({ min: 1, max: 12 }),
});

Deno.test("batches are those of one process, each in one shard", () => {
  fc.assert(fc.property(dealings, ({ of, ...work }) => {
    const shards = Array.from({ length: of }, (_, index) => batchesOfShare(work, { index, of }));
    const place = ({ first, count }: Batch) => [first, count];
    const all = shards.flat().sort((a, b) => a.first - b.first).map(place);
    assertEquals(all, batchesOfShare(work).map(place));
    assertEquals(all.reduce((sum, [, count]) => sum + count!, 0), work.count);
    for (const own of shards) {
      let done = 0;
      for (const batch of own) {
        assertEquals([batch.done, batch.total], [done, own.reduce((sum, { count }) => sum + count, 0)]);
        done += batch.count;
      }
    }
    // No shard has more than one batch more than another.
    const sizes = shards.map((own) => own.length);
    assert(Math.max(...sizes) - Math.min(...sizes) <= 1);
  }));
});

/** Computes rows of two kinds that show which items they were computed from. */
function compute({ first, count }: Batch) {
  return {
    squares: Float64Array.from({ length: count }, (_, i) => (first + i) ** 2),
    bytes: Uint8Array.from({ length: 3 * count }, (_, i) => (3 * first + i) % 256),
  };
}

type Work = Parameters<typeof inParts>[1];

interface Options {
  readonly rows?: (batch: Batch) => ReturnType<typeof compute>;
  readonly about?: unknown;
  readonly stop?: AbortSignal;
}

/** Computes one part, below a folder. */
async function partOf(folder: string, work: Work, [index, of]: readonly [number, number], options: Options = {}) {
  const { rows = compute, about = "squares", stop = never } = options;
  const place = await Deno.makeTempDir({ dir: folder });
  const share = { index, of, part: openOutput(place) };
  const opened: number[] = [];
  const end = await inParts({ share, parts: [], stop }, work, () => {
    opened.push(index);
    return Promise.resolve({ about, compute: rows });
  }, () => Promise.reject(new Error("a shard joins nothing")));
  return { end, opened, part: openInput(folderArtifact(place, "files")), place };
}

/** Joins parts, or computes everything if there are none. */
async function joined(work: Work, parts: readonly InputArtifact[]) {
  const [squares, bytes, abouts]: [number[], number[], unknown[]] = [[], [], []];
  const open = () => Promise.resolve({ about: "squares", compute });
  const end = await inParts({ share: undefined, parts, stop: never }, work, open, async (batches, about) => {
    abouts.push(about);
    for await (const { first, rows } of batches) {
      assertEquals(squares.length, first);
      squares.push(...rows.squares);
      bytes.push(...rows.bytes);
    }
  });
  return { end, squares, bytes, abouts };
}

Deno.test("joined rows are those of one process, also where shards have nothing to do", async () => {
  await withFolder(async (folder) => {
    await fc.assert(
      fc.asyncProperty(dealings, async ({ of, ...work }) => {
        const made = [];
        for (let index = 0; index < of; index++) made.push(await partOf(folder, work, [index, of]));
        assertEquals(await joined(work, made.map(({ part }) => part)), await joined(work, []));
        // A resource that is not needed is not opened: it may be a network on a card.
        const idle = made.filter(({ opened }) => opened.length === 0).length;
        assertEquals(idle, Math.max(0, of - Math.ceil(work.count / work.batchSize)));
      }),
      { numRuns: 25 },
    );
  });
});

Deno.test("a part of many megabytes lies in several files", async () => {
  await withFolder(async (folder) => {
    const work = { count: 5, batchSize: 1 };
    const rows = ({ first }: Batch) => ({ squares: new Float64Array(1), bytes: new Uint8Array(12 << 20).fill(first) });
    const parts = [];
    for (const index of [0, 1]) parts.push(await partOf(folder, work, [index, 2], { rows }));
    assertEquals(parts.map(({ part }) => part.files.length), [1, 1]);
    const whole = await partOf(folder, work, [0, 1], { rows });
    assertEquals(whole.part.files.map(({ path }) => path), ["0.safetensors", "1.safetensors"]);
    for (const made of [parts, [whole]]) {
      const seen: number[] = [];
      const open = () => Promise.reject(new Error("joining computes nothing"));
      const context = { share: undefined, parts: made.map(({ part }) => part), stop: never };
      await inParts<ReturnType<typeof compute>>(context, work, open, async (batches) => {
        for await (const { rows: { bytes } } of batches) {
          assertEquals(bytes.length, 12 << 20);
          seen.push(bytes[0]!, bytes.at(-1)!);
        }
      });
      assertEquals(seen, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
    }
  });
});

Deno.test("parts that do not fit are refused with which and why", async () => {
  await withFolder(async (folder) => {
    const work = { count: 10, batchSize: 2 };
    const pair = async (other: Options = {}, otherWork = work) =>
      [
        (await partOf(folder, work, [0, 2])).part,
        (await partOf(folder, otherWork, [1, 2], other)).part,
      ] as const;
    const [first, second] = await pair();
    const wide = (batch: Batch) => ({ ...compute(batch), bytes: new Uint8Array(4 * batch.count) });
    const short = (batch: Batch) => batch.first === 6 ? compute({ ...batch, count: 1 }) : compute(batch);
    const cut = await partOf(folder, work, [1, 2]);
    const file = join(cut.place, "0.safetensors");
    Deno.writeFileSync(file, Deno.readFileSync(file).slice(0, -1));
    const empty = await Deno.makeTempDir({ dir: folder });
    const cases: [readonly InputArtifact[], string][] = [
      [[second, first], "part of shard 1: got part 1, wanted part 0"],
      [[first, first], "part of shard 2: got part 0, wanted part 1"],
      [[first], "part of shard 1: got 10 items, 1 part of 2, wanted 10 items, 1 part of 1"],
      [await pair({}, { count: 12, batchSize: 2 }), "part of shard 2"],
      [await pair({}, { count: 10, batchSize: 5 }), "part of shard 2"],
      [await pair({ about: "cubes" }), "part of shard 2"],
      [await pair({ rows: wide }), "part of shard 2: got 2: bytes 4 Uint8Array"],
      [await pair({ rows: short }), "part of shard 2: got 6: bytes 1.5 Uint8Array"],
      [[first, cut.part], "part of shard 2: got safetensors"],
      [[first, openInput(folderArtifact(empty, "files"))], "part of shard 2: got The files artifact has no file"],
    ];
    for (const [parts, said] of cases) {
      const { end } = await joined(work, parts);
      assert(end?.status === "failed", JSON.stringify(end));
      assert(end.message.startsWith(said), `${end.message}, not ${said}`);
      assertEquals(end.fix, "compute its shards again: run with --force STAGE");
    }
    const { end } = await joined({ count: 11, batchSize: 2 }, [first, second]);
    assertEquals((end as StageEnd & { message: string }).message.split(",")[0], "part of shard 1: got 10 items");
    assertEquals((await joined(work, [first, second])).end, undefined);
  });
});

Deno.test("a shard that is stopped says so, and what it opened is closed", async () => {
  await withFolder(async (folder) => {
    const stop = new AbortController();
    const rows = (batch: Batch) => {
      if (batch.first === 4) stop.abort();
      return compute(batch);
    };
    const { end } = await partOf(folder, { count: 10, batchSize: 2 }, [0, 2], { rows, stop: stop.signal });
    assertEquals(end, { status: "interrupted", step: 0 });
    let closed = 0;
    const open = () => Promise.resolve({ compute, close: async () => void closed++ });
    const context = { share: undefined, parts: [], stop: stop.signal };
    const ended = await inParts(context, { count: 1, batchSize: 1 }, open, async (batches) => {
      for await (const _ of batches) closed += 10;
    });
    assertEquals([ended, closed], [{ status: "interrupted", step: 0 }, 1]);
  });
});
