import { samplerParams } from "../../../../science/diffusion/samplers.ts";
import { chainPath } from "../../../../science/diffusion/path.ts";
import { makeBetas } from "../../../../science/diffusion/schedule/betas.ts";
import { makeTables } from "../../../../science/diffusion/schedule/tables.ts";
import { affineSteps, walkAffine } from "../../../support/affine/steps.ts";
import { walkHost } from "../../../support/walk_host.ts";
import { assertAllClose } from "./assert_close.ts";
import { PseudoRandom } from "./pseudo_random.ts";

const SAMPLERS = [
  { name: "ancestral", variance: "fixedlarge" },
  { name: "ancestral", variance: "fixedsmall", steps: 20 },
  { name: "ancestral", variance: "learned" },
  { name: "ancestral", variance: "learned", steps: 25 },
  { name: "ddim", steps: 50 },
  { name: "ddim", steps: 10, spacing: "leading" },
  { name: "ddim", steps: 20, eta: 0.5 },
  { name: "ddim", steps: 1 },
  { name: "dpmpp-2m", steps: 15 },
  { name: "dpmpp-2m", steps: 9, spacing: "leading" },
  { name: "heun", steps: 18 },
  { name: "heun", steps: 90 },
];

const SCHEDULES = [
  { name: "ho/linear", timesteps: 100 },
  { name: "ldm/cosine", timesteps: 100 },
  { name: "ho/linear", timesteps: 100, zeroTerminalSnr: true },
] as const;

Deno.test("every sampler comes to the images of its affine form in float64, on every chain", async () => {
  for (const schedule of SCHEDULES) {
    const tables = makeTables(makeBetas(schedule));
    const path = chainPath(tables);
    const random = new PseudoRandom(5);
    const start = random.symmetric(64, 2);
    const noises = Array.from({ length: 100 }, () => random.symmetric(64, 1.7));
    // Not linear, so that no error cancels, and partly clipped. It depends only on x and t, as a network on a zero
    // terminal SNR does.
    const predictX0 = (x: number, t: number) => Math.max(-1, Math.min(1, 1.2 * Math.tanh(1.5 * x) * (1 - t / 150)));
    for (const sampler of SAMPLERS) {
      const common = { start, predictX0, variance: 0.3 };
      const wanted = walkAffine(affineSteps(tables, samplerParams.parse(sampler)), {
        ...common,
        noise: (k) => noises[k]!,
      });
      const { images } = await walkHost(sampler, {
        ...common,
        path,
        noise: (k) => noises[k]! as Float32Array<ArrayBuffer>,
      });
      // float32 between steps, each rounding by 6e-8 of values up to 4.
      assertAllClose(images, wanted, { abs: 1e-5, label: `${JSON.stringify(sampler)} on ${schedule.name}` });
    }
  }
});
