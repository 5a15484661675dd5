import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import fc from "fast-check";
import { Curve, curveIn, CurveKeeper, curvePlace } from "../../../../engine/run/curve.ts";
import type { StageEvent } from "../../../../engine/process/protocol.ts";
import { allowWritesBelow } from "../../../../engine/store/write_roots.ts";

const report = (done: number, figures: Record<string, number | string>): StageEvent => ({
  type: "progress",
  update: { done, total: 100, unit: "step", figures },
});

/** The rows of a curve's artifact. */
const rowsOf = (curve: Curve) => curve.lines().map((line) => JSON.parse(line));

Deno.test("a curve of a million values has a few thousand lines, and their last, lowest and highest value", () => {
  const curve = new Curve();
  const valueAt = (step: number) => step === 123_457 ? -5 : step === 765_431 ? 9 : 1 / step;
  for (let step = 1; step <= 1_000_003; step++) curve.add({ done: step, figures: { loss: valueAt(step) } });
  const rows = rowsOf(curve);
  assert(rows.length < 4_000, `${rows.length} lines`);
  assertEquals(rows.slice(998, 1_002).map(({ step }) => step), [999, 1_000, 1_010, 1_020]);
  assertEquals(rows.at(-1), { step: 1_000_003, loss: valueAt(1_000_003) });
  const values = rows.map(({ loss }) => loss);
  assertEquals([Math.min(...values), Math.max(...values)], [-5, 9]);
  assertEquals(rows.map(({ step }) => step), rows.map(({ step }) => step).toSorted((a, b) => a - b));
});

Deno.test("figures may be anything: not finite, a text, too many, called step; steps may be no whole numbers", () => {
  const curve = new Curve();
  curve.add({ done: 1, figures: { loss: NaN, word: "x", step: 7, "<b>": 1 } });
  curve.add({ done: 1.5, figures: { loss: 3 } });
  curve.add({ done: -1, figures: { loss: 3 } });
  curve.add({ done: 2, figures: { loss: Infinity } });
  assertEquals(rowsOf(curve), [{ step: 1, loss: null, "<b>": 1 }, { step: 2, loss: null }]);
  for (let i = 0; i < 10_000; i++) curve.add({ done: i, figures: { [`name${i}`]: i } });
  assertEquals(new Set(rowsOf(curve).flatMap(Object.keys)).size, 1 + 16);
  assert(new Curve().isEmpty);
});

Deno.test("a curve that was saved and loaded anywhere, often, has the same bytes as one that was not", () => {
  const value = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.constant(NaN));
  const names = fc.constantFrom("a", "b", "c");
  const events = fc.array(fc.tuple(fc.nat(3), names, value), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(events, fc.array(fc.nat(9_000)), (told, cuts) => {
      const [whole, places] = [new Curve(), new Set(cuts)];
      let cut = new Curve();
      let [done, at] = [0, 0];
      // Repeated, so that thinning begins.
      for (let round = 0; round < 6_000 / told.length; round++) {
        for (const [more, name, value] of told) {
          done += more;
          for (const curve of [whole, cut]) curve.add({ done, figures: { [name]: value } });
          if (places.has(at++)) {
            cut = Curve.load(cut.save().split("\n").filter(Boolean).map((line) => JSON.parse(line)));
          }
        }
      }
      assertEquals(cut.lines(), whole.lines());
    }),
    { numRuns: 15 },
  );
});

Deno.test("whoever goes on from a state goes on with its curve, whether it says so or not", async () => {
  const root = await Deno.makeTempDir();
  allowWritesBelow(root);
  try {
    for (const says of [true, false]) {
      const progress = join(root, `progress-${says}`);
      Deno.mkdirSync(progress);
      const save = (step: number) => {
        const folder = join(progress, `step-${step}`);
        Deno.mkdirSync(folder, { recursive: true });
        Deno.writeTextFileSync(join(folder, "manifest.json"), JSON.stringify({ format: 1, step, files: [] }));
      };
      const work = (from: number, to: number, saves: readonly number[]) => {
        const workspace = join(root, `${says}-${from}-${to}`);
        Deno.mkdirSync(workspace);
        const keeper = new CurveKeeper(progress, 100);
        if (says) keeper.note({ type: "loaded", step: from || null });
        for (let step = from + 1; step <= to; step++) {
          keeper.note(report(step, { loss: step }));
          if (!saves.includes(step)) continue;
          if (says) keeper.note({ type: "saving", step });
          save(step);
          keeper.note({ type: "saved", step });
        }
        keeper.close(curvePlace(workspace));
        return Deno.readTextFileSync(join(curveIn(workspace)["log"]!, "log.jsonl")).trim().split("\n").map((line) =>
          JSON.parse(line).step
        );
      };
      const whole = Array.from({ length: 12 }, (_, i) => i + 1);
      assertEquals(work(0, 7, [4]), whole.slice(0, 7));
      assertEquals(work(4, 9, [8]), whole.slice(0, 9));
      assertEquals(work(4, 6, []), whole.slice(0, 6), "the newest state is damaged");
      assertEquals(work(8, 12, [12]), whole);
      // A longer one continues a shorter one.
      assertEquals(work(12, 14, []), [...whole, 13, 14]);
    }
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
