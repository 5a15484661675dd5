import { assert, assertEquals } from "@std/assert";
import { encode } from "fast-png";
import { dirname, join } from "node:path";
import { disableFsync } from "../../../engine/store/files.ts";
import { ProgressStore, savedSteps } from "../../../engine/store/progress.ts";
import { encodeNpy } from "../../../science/formats/npy.ts";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { datasetKind } from "../../support/builtin_kinds.ts";
import { digests, runStage } from "../../support/stage_context.ts";
import { withFolder } from "./small_world.ts";

const GOLDEN = new URL("../../golden/sources/", import.meta.url).pathname;

type Params = Readonly<Record<string, unknown>>;
type Lay = (place: string) => void;

/** Writes a folder of twelve images, of which `odd` gives some. */
function folder(odd: Readonly<Record<number, Uint8Array>> = {}, depth: 8 | 16 = 8): Lay {
  return (place) => {
    for (let i = 0; i < 12; i++) {
      const own = join(place, "abc"[i % 3]!, `${i}.png`);
      Deno.mkdirSync(dirname(own), { recursive: true });
      const data = depth === 8 ? new Uint8Array(12).fill(20 * i) : new Uint16Array(12).fill(5_001 * i);
      Deno.writeFileSync(own, odd[i] ?? encode({ width: 4, height: 3, channels: 1, depth, data }));
    }
  };
}

const npy = (values: Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>): Lay => (place) =>
  Deno.writeFileSync(place, encodeNpy({ shape: [12, values.length / 12], data: values }));

const FLOATS = Float32Array.from({ length: 36 }, (_, i) => Math.sin(i) * 10 ** (i % 5));
const TEXT = new TextEncoder().encode("no image");

/** Data of twelve items: a file of the golden ones, or what is written for the test. */
const SETS: Readonly<Record<string, readonly [from: string | Lay, params: Params]>> = {
  "a folder": [folder(), { source: "folder" }],
  "16-bit images, percentiles": [folder({}, 16), {
    source: "folder",
    ...{ depth: 16, channels: 1, normalize: { percentiles: [10, 90] } },
  }],
  "a folder with unreadable files": [folder({ 0: TEXT, 5: TEXT, 6: TEXT, 11: TEXT }), {
    source: "folder",
    skip: "unreadable",
  }],
  "a folder of images of another size at its end": [
    folder({ 11: encodePng({ width: 1, height: 1, channels: 1, data: new Uint8Array(1) }) }),
    { source: "folder" },
  ],
  "a folder with an unreadable file": [folder({ 7: TEXT }), { source: "folder" }],
  "a zip": ["folders.zip", { source: "zip" }],
  "a tar.gz": ["folders.tar.gz", { source: "tar" }],
  "a WebDataset": ["shard-000000.tar", { source: "tar" }],
  "Parquet": ["parquet", { source: "parquet" }],
  "an npz with labels": ["points.npz", { source: "numpy", shape: [1, 1, 2], labels: { column: "arr_1" } }],
  "floats, moments": [npy(FLOATS), { source: "numpy" }],
  "floats, percentiles": [npy(FLOATS.slice(0, 24)), {
    ...{ source: "numpy", shape: [1, 2, 1], normalize: { percentiles: [5, 95] } },
  }],
  "some of 16-bit integers, moments": [npy(Uint16Array.from({ length: 36 }, (_, i) => i * i)), {
    source: "numpy",
    limit: 9,
    normalize: "moments",
  }],
};

/** Runs the stage, until `stopAt` items are done if it is set, with states in a folder. */
async function run(home: string, place: string, { params, states, stopAt }: {
  readonly params: Params;
  readonly states: string;
  readonly stopAt?: number;
}) {
  Deno.mkdirSync(join(home, states), { recursive: true });
  const stop = new AbortController();
  const dones: number[] = [];
  const said: string[] = [];
  const { end, ...rest } = await runStage(home, datasetKind, {
    params: { path: place, testCount: 3, ...params },
    progress: new ProgressStore(join(home, states), Infinity),
    stop: stop.signal,
    onReport({ done }) {
      dones.push(done);
      if (done === stopAt) stop.abort();
    },
    onSaid: (event) => "message" in event && said.push(event.message),
  });
  return { dones, end, step: savedSteps(join(home, states))[0] ?? 0, told: [end, said, digests({ end, ...rest })] };
}

for (const [name, [from, params]] of Object.entries(SETS)) {
  Deno.test(`dataset that is stopped ends as one that was not: ${name}`, async () => {
    await withFolder(async (home) => {
      disableFsync(home);
      const place = typeof from === "string" ? join(GOLDEN, from) : join(home, "own");
      if (typeof from !== "string") from(place);
      const whole = await run(home, place, { params, states: "none" });
      const total = whole.dones.length;
      assertEquals(whole.dones, Array.from({ length: total }, (_, i) => i + 1));
      // Each with states of its own, and one run that is stopped at all of them.
      for (const stopAt of [1, 2, 6, total - 1]) {
        for (const states of [`at ${stopAt}`, "often"]) {
          const { end, step } = await run(home, place, { params, states, stopAt });
          assertEquals(end, { status: "interrupted", step }, `${states}, stopped at ${stopAt}`);
          // Once the stage is bound to fail, nothing is worth saving.
          assert(
            step === stopAt || whole.end?.status === "failed",
            `${states}, stopped at ${stopAt}, saved at ${step}`,
          );
        }
        const after = await run(home, place, { params, states: `at ${stopAt}` });
        assertEquals(after.dones, whole.dones.slice(after.step), `stopped at ${stopAt}`);
        assertEquals(after.told, whole.told, `stopped at ${stopAt}`);
      }
      assertEquals((await run(home, place, { params, states: "often" })).told, whole.told);
    });
  });
}

Deno.test("dataset saves by itself, and what was saved is not what is written to later", async () => {
  await withFolder(async (home) => {
    const place = join(home, "own");
    folder()(place);
    const params = { path: place, source: "folder", testCount: 3 };
    const whole = await runStage(home, datasetKind, { params });
    const states = join(home, "states");
    Deno.mkdirSync(states);
    const saved: number[] = [];
    const progress = new ProgressStore(states, Infinity, (step) => saved.push(step));
    const timed = await runStage(home, datasetKind, { params: { ...params, saveEverySeconds: 0 }, progress });
    assertEquals(saved, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assertEquals(digests(timed), digests(whole));
    for (let limit = 11; limit > 0; limit--) {
      // All states are intact, though the files that they link were written to once more.
      const damaged: number[] = [];
      const earlier = new ProgressStore(states, limit, () => {}, (step) => damaged.push(step));
      const reported: number[] = [];
      const again = await runStage(home, datasetKind, {
        params,
        progress: earlier,
        onReport: ({ done }) => reported.push(done),
      });
      assertEquals([reported[0], damaged], [limit + 1, []]);
      assertEquals(digests(again), digests(whole));
    }
  });
});
