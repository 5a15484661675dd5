import { assertEquals } from "@std/assert";
import type { Metrics } from "../../../artifacts/metrics.ts";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { Project } from "../../support/project.ts";

const PIPELINES = ["celebahq", "lsun-church", "celebahq-latent"];

Deno.test(`${PIPELINES.join(", ")}: from a folder of images to the page, in their small profile`, async () => {
  await using project = new Project();
  for (const name of PIPELINES) project.copy(`pipelines/${name}.yaml`, `${name}.yaml`);
  // As LSUN's images are: not square, and larger than the network's.
  for (let image = 0; image < 24; image++) {
    const data = Uint8Array.from({ length: 36 * 48 * 3 }, (_, i) => (i * (image + 7)) % 256);
    await Deno.mkdir(project.path("pictures"), { recursive: true });
    await Deno.writeFile(
      project.path(`pictures/${image}.png`),
      encodePng({ width: 48, height: 36, channels: 3, data }),
    );
  }
  const options = ["--profile", "small", "--set", "images.path=pictures"];
  for (const name of PIPELINES) {
    const { code, stdout, stderr } = await project.cli(["run", `${name}.yaml`, ...options]);
    assertEquals(code, 0, stdout + stderr);
    const { metrics } = JSON.parse(project.read(`outputs/${name}/score/metrics.json`)) as Metrics;
    assertEquals(metrics.find(({ name }) => name === "FD-pixels")?.count, 8);
  }
});
