import { assertEquals } from "@std/assert";
import { openImagesWriter } from "../../../../artifacts/image_files.ts";
import { folderArtifact, openInput, openOutput } from "../../../../engine/process/context.ts";
import { decodePng } from "../../../../science/formats/png_decoder.ts";
import { collectArtifacts } from "../../../../pages/report/collect.ts";
import { overviewOf } from "../../../../pages/report/overview.ts";
import { NOTHING, stage } from "../../../support/report.ts";
import { withFolder } from "../../stages/small_world.ts";

/** Collects a set that is sorted by class. Each image has the shade of its class, and there are `each` of a class. */
async function collectSorted(folder: string, classes: number | null, each: number, side = 32) {
  const count = (classes ?? 1) * each;
  const info = { count, height: side, width: side, channels: 1, classes, source: { name: "cifar10", split: "train" } };
  using writer = openImagesWriter(openOutput(folder), info, "preview.png");
  const labels = Array.from({ length: count }, (_, i) => Math.floor(i / each));
  const size = side * side;
  await writer.add(Uint8Array.from({ length: count * size }, (_, i) => labels[Math.floor(i / size)]! % 251), labels);
  await writer.finish();
  const artifact = openInput(folderArtifact(folder, "images"));
  const { data, unreadable } = await collectArtifacts([{ title: "set", artifact }], { keepDrawn: (png) => png });
  assertEquals(unreadable, []);
  const [{ source, labels: named, cells }] = data as [typeof data[number]];
  const { data: pixels, width, channels } = decodePng(source as Uint8Array<ArrayBuffer>);
  const shades = Array.from({ length: cells?.count ?? 0 }, (_, i) => {
    const [x, y] = [i % cells!.columns, Math.floor(i / cells!.columns)].map((at, k) =>
      cells!.margin + at * ((k === 0 ? cells!.width : cells!.height) + cells!.margin)
    );
    return pixels[(y! * width + x!) * channels];
  });
  return { shades, named };
}

Deno.test("training data is shown across classes, whatever the order of the set, and by class if few enough", async () => {
  for (const [classes, each, shown, rows] of [[2, 100, 64, 2], [10, 40, 60, 10], [30, 3, 60, 0], [250, 2, 64, 0]]) {
    await withFolder(async (folder) => {
      const { shades, named } = await collectSorted(folder, classes!, each!);
      assertEquals([shades.length, new Set(shades).size], [shown, Math.min(64, classes!)], `${classes}`);
      assertEquals(new Set(named ?? []).size, rows);
      if (classes === 10) assertEquals([named![0], named!.at(-1)], ["airplane", "truck"]);
    });
  }
});

Deno.test("data without classes, and points, have the picture of their artifact", async () => {
  await withFolder(async (folder) => {
    const { shades, named } = await collectSorted(folder, null, 70);
    assertEquals([shades.length, named], [64, undefined]);
  });
  await withFolder(async (folder) => assertEquals((await collectSorted(folder, 3, 4, 1)).shades, []));
});

const picture = (title: string, digest?: string) => ({ title, note: title, source: Uint8Array.of(1), digest });

Deno.test("beside samples stands the data of their own training, not that of another or of a score", () => {
  const stages = [
    stage("other", [], { kind: "dataset" }),
    stage("held-out", [], { kind: "dataset" }),
    stage("mine~lr=0.1", [], { kind: "dataset" }),
    stage("encode", ["mine~lr=0.1", "autoencoder"], { kind: "encode" }),
    stage("autoencoder", ["other"], { kind: "autoencoder" }),
    stage("trial", ["other"], { kind: "train" }),
    stage("ranking", ["trial", "held-out"]),
    stage("pixels", ["ranking", "mine~lr=0.1"], { kind: "train" }),
    stage("latents", ["encode"], { kind: "train" }),
    stage("inpaint", ["held-out", "pixels"]),
    stage("decoded", ["latents", "autoencoder"]),
    stage("given", ["held-out"]),
  ];
  const data = ["other.train", "held-out", "mine~lr=0.1.train", "encode"].map((name) => picture(`${name}: data`));
  for (
    const [sample, wanted] of [
      ["inpaint", "mine~lr=0.1.train"],
      ["decoded.samples", "mine~lr=0.1.train"],
      ["pixels: preview", "mine~lr=0.1.train"],
      ["trial", "other.train"],
      ["given", "held-out"],
      ["of no stage", "other.train"],
    ]
  ) {
    const { shown } = overviewOf({ ...NOTHING, stages, data, samples: [picture(sample!, "d")] });
    assertEquals([...shown].map(({ title }) => title), [sample, `${wanted}: data`]);
  }
});
