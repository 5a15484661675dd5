import { assert, assertEquals } from "@std/assert";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { decodePng } from "../../../science/formats/png_decoder.ts";
import { gridCells, imageGrid } from "../../../science/pictures/image_grid.ts";
import { renderReport } from "../../../pages/report/page.ts";
import { Chromium, findChromium } from "../../browser/chromium.ts";
import { NOTHING } from "../../support/report.ts";

const SIZE = { width: 16, height: 16, channels: 1 };

Deno.test("the edges of images are seen in grids and by class: of black and white ones, on light and dark pages", async () => {
  const executablePath = await findChromium();
  if (executablePath === undefined) return;
  const folder = await Deno.makeTempDir({ prefix: "noiseline-browser-" });
  await using browser = await Chromium.start(executablePath);
  try {
    for (const colorScheme of ["light", "dark"] as const) {
      for (const shade of [0, 255]) {
        const source = encodePng(imageGrid(Array.from({ length: 6 }, () => new Uint8Array(256).fill(shade)), SIZE));
        const labels = Array.from({ length: 6 }, (_, i) => `${i % 2}`);
        const data = [{ title: "d", note: "", source, cells: { count: 6, ...gridCells(6, SIZE) }, labels }];
        const path = `${folder}/report.html`;
        await Deno.writeTextFile(path, renderReport({ ...NOTHING, data }));
        for (const width of [390, 1_280]) {
          const page = await browser.newPage({ width, height: 900, colorScheme });
          await page.open(`file://${path}`);
          for (const part of ["#overview .classes canvas", "#overview .scroll img"]) {
            if (part.endsWith("img")) await page.evaluate("document.querySelector('.by-class').click()");
            const { width, height, channels, data } = decodePng(Uint8Array.fromBase64(await page.picture(part)));
            const at = (x: number) => [...data.subarray(((height >> 1) * width + x) * channels).slice(0, 3)];
            const lines = Array.from({ length: width - 8 }, (_, i) => at(4 + i))
              .filter((one) => Math.abs(one[0]! - shade) >= 25 && Math.abs(one[0]! - (255 - shade)) >= 25);
            assert(lines.length >= 2, `no lines between images of shade ${shade}, ${colorScheme}, ${width}, ${part}`);
          }
          assertEquals(page.problems, []);
        }
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
