import { assert, assertEquals } from "@std/assert";
import { collectArtifacts } from "../../../../pages/report/collect.ts";
import { renderReport } from "../../../../pages/report/page.ts";
import { sectionsOf } from "../../../../pages/report/sections.ts";
import { markup } from "../../../../pages/report/text.ts";
import { NOTHING, stage } from "../../../support/report.ts";

/** Returns artifacts with one picture of 24 kB each, of which a file reader gives the bytes. */
function drawnArtifacts(type: "schedule" | "autoencoder" | "samples" | "picture", path: string, count: number) {
  const bytes = new Uint8Array(24_000);
  const info = { count: 1, height: 2, width: 2, channels: 1, classes: null, source: {} };
  const records = { "images.json": info, "picture.json": { format: 1, path, caption: "" } };
  const files = [path, ...Object.keys(records)].map((one) => {
    return { path: one, size: one === path ? bytes.length : 0, sha256: "" };
  });
  return Array.from({ length: count }, (_, i) => ({
    title: `${type}${i}`,
    artifact: {
      ...{ type, digest: `${type} ${i}`, files },
      read: () => Promise.resolve(bytes),
      readText: (name: string) => Promise.resolve(JSON.stringify(records[name as keyof typeof records])),
    },
  }));
}

Deno.test("pictures that explain have their own share of a page, results and figures have the rest", async () => {
  const most = { mostBytes: 32 << 20, mostOfType: 4 << 20 };
  const each = 24_000 / 3 * 4;
  const [share, rest] = [Math.floor(most.mostOfType / each), 1_000];
  const all = [
    ...drawnArtifacts("schedule", "schedule.svg", 2_000),
    ...drawnArtifacts("autoencoder", "reconstructions.png", 400),
    ...drawnArtifacts("samples", "grid.png", rest),
  ];
  const { schedules, samples, unreadable, ...content } = await collectArtifacts(all, most);
  const kinds = Map.groupBy(samples, ({ title }) => title.replace(/\d.*/, ""));
  assertEquals([schedules.length, kinds.get("autoencoder")!.length], [share, share]);
  assertEquals(kinds.get("samples")!.length, Math.floor(most.mostBytes / each) - 2 * share);
  const room = "a page has room for 32 MB";
  const own = ", 4 MB of it for such pictures";
  assertEquals(unreadable, [
    `the schedule of schedule${share} and ${2_000 - share - 1} more: ${room}${own}`,
    `the autoencoder of autoencoder${share} and ${400 - share - 1} more: ${room}${own}`,
    `the samples of samples${kinds.get("samples")!.length} and ${
      rest - kinds.get("samples")!.length - 1
    } more: ${room}`,
  ]);
  const stages = all.slice(0, 2_000).map(({ title }) => stage(title, [], { kind: "schedule" }));
  const page = renderReport({ ...NOTHING, ...content, schedules, samples: [], stages });
  assert(page.length < 5 << 20, `${page.length}`);
});

Deno.test("of the pictures of any kind a browser builds the first only, until somebody asks for the others", () => {
  const kinds = ["samples", "data", "films", "schedules", "rates", "neighbours", "pictures"] as const;
  for (const kind of kinds) {
    const pictures = Array.from(
      { length: 100 },
      (_, i) => ({ title: `s~i=${i}`, note: `${i}`, source: new Uint8Array(4) }),
    );
    const text = sectionsOf({ ...NOTHING, [kind]: pictures }).map(({ body }) => markup`${body}`.text).join("");
    const built = text.replaceAll(/data-more="[^"]*"/g, "");
    const count = (html: string) => html.split("<figure").length - 1;
    assertEquals(count(text), 100, kind);
    assert(count(built) <= 24 + 4, `${kind}: ${count(built)}`);
  }
});
