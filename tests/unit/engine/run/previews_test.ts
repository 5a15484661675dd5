import { assert, assertEquals } from "@std/assert";
import { historyPause, ProgressWriter, RateMeter } from "../../../../engine/run/progress_reporting.ts";
import { refusePreview } from "../../../../engine/run/previews.ts";
import type { FigureRow } from "../../../../schemas/records.ts";

/** Returns the beginning of a PNG, up to its dimensions. */
function pngOf(width: number, height: number): Uint8Array<ArrayBuffer> {
  const png = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, ...new Uint8Array(8));
  const view = new DataView(png.buffer);
  view.setUint32(16, width);
  view.setUint32(20, height);
  return png;
}

Deno.test("refusePreview() takes PNGs as long as there is room", () => {
  const png = pngOf(16, 16);
  assertEquals(refusePreview(png, 499, 24), undefined);
  assertEquals(refusePreview(png, 500, 24), "a run has room for no more previews");
  assertEquals(refusePreview(png, 0, 23), "a run has room for no more previews");
  for (const at of png.keys().take(16)) {
    assertEquals(refusePreview(png.with(at, 200), 0, 24), "a preview is a PNG of at most 750000 bytes", `${at}`);
    assertEquals(refusePreview(png.subarray(0, at), 0, 24), "a preview is a PNG of at most 750000 bytes", `${at}`);
  }
});

Deno.test("refusePreview() believes a PNG by its dimensions, not by its signature", () => {
  for (const [width, height] of [[1, 1], [4_096, 4_096], [1 << 24, 1]] as const) {
    assertEquals(refusePreview(pngOf(width, height), 0, 24), undefined);
  }
  for (const [width, height] of [[0, 5], [5, 0], [4_096, 4_097], [1 << 24, 2], [2 ** 32 - 1, 2 ** 32 - 1]] as const) {
    const wanted = `a preview has at most 16777216 pixels, and not ${width} x ${height}`;
    assertEquals(refusePreview(pngOf(width, height), 0, 24), wanted);
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

Deno.test("ProgressWriter keeps what each figure was last and at its lowest, of 16 figures and of all reports", () => {
  const rows: FigureRow[] = [];
  const runs = {
    writeProgress: () => {},
    removeProgress: () => {},
    addFigures: (_: string, __: string, row: FigureRow) => rows.push(row),
  };
  const rate = new RateMeter();
  {
    using live = new ProgressWriter(runs, "r", "a", rate);
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
  // A stage that ends within a second leaves only its last state.
  assertEquals([rows.map(({ step }) => step), Object.keys(rows[0]!.figures).length], [[5], 16]);
});
