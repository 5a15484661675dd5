import { assert, assertEquals } from "@std/assert";
import { historyPause, LiveProgress, RateMeter } from "../../../../engine/run/pace.ts";
import { refusePreview } from "../../../../engine/run/previews.ts";
import type { FigureRow } from "../../../../schemas/records.ts";

Deno.test("refusePreview() takes PNGs as long as there is room", () => {
  const png = new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10, 1, 2]);
  assertEquals(refusePreview(png, 499, 10), undefined);
  assertEquals(refusePreview(png, 500, 10), "a run has room for no more previews");
  assertEquals(refusePreview(png, 0, 9), "a run has room for no more previews");
  for (const bytes of [new Uint8Array(), png.subarray(1), png.subarray(0, 7), png.with(3, 72)]) {
    assertEquals(refusePreview(bytes, 0, 10), "a preview is a PNG of at most 750000 bytes");
  }
});

Deno.test("the history of a day has under 10,000 lines, that of an hour one each second or two", () => {
  const linesOf = (seconds: number) => {
    let lines = 0;
    for (let ms = 0; ms < seconds * 1_000; ms += historyPause(ms)) lines++;
    return lines;
  };
  const [minute, hour, day] = [60, 3_600, 86_400].map(linesOf);
  assertEquals(minute, 60);
  // 2,000 lines in the first 2,000 s, then 2,000 ln(t / 2,000 s).
  assert(hour! > 3_100 && hour! < 3_200, `${hour}`);
  assert(day! > 9_400 && day! < 10_000, `${day}`);
});

Deno.test("LiveProgress keeps what each figure was last and at its lowest, of 16 figures and of all reports", () => {
  const rows: FigureRow[] = [];
  const runs = {
    tell: () => {},
    hush: () => {},
    addFigures: (_: string, __: string, row: FigureRow) => rows.push(row),
  };
  const rate = new RateMeter();
  {
    using live = new LiveProgress(runs, "r", "a", rate);
    const note = (done: number, told: Record<string, number | string>) =>
      live.note({ done, total: 9, unit: "step", figures: told });
    note(1, { loss: 3, word: "warm" });
    note(2, { loss: 1 });
    note(3, { loss: 1, constructor: 5 });
    note(4, { loss: NaN });
    note(5, { loss: 2, ...Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, i])) });
  }
  const { loss, constructor, ...others } = rate.figures as Record<string, unknown>;
  assertEquals([loss, constructor], [{ last: 2, lowest: 1, at: 2 }, { last: 5, lowest: 5, at: 3 }]);
  assertEquals(Object.keys(others), Array.from({ length: 14 }, (_, i) => `f${i}`));
  // A stage that ends within a second leaves its last state alone.
  assertEquals([rows.map(({ step }) => step), Object.keys(rows[0]!.figures).length], [[5], 16]);
});
