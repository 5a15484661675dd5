// deno-lint-ignore-file no-console -- a tool prints what it does
/**
 * Writes networks with random weights in the layout of diffusers, each with an input and noiseline's prediction for it,
 * so that `check.py check` can load them with the real library.
 *
 *     deno run -A tests/peers/diffusers/make_export.ts FOLDER
 *     python tests/peers/diffusers/check.py check FOLDER/*
 *
 * @module
 */
import { BYTES } from "../../../science/diffusion/normalizer.ts";
import { dirname, join } from "node:path";
import {
  makeModelOutput,
  modelOutputSignature,
  oneHotLabels,
  packParameters,
  sizeOf,
} from "../../../science/diffusion/network.ts";
import type { ObjectiveName } from "../../../science/diffusion/objectives.ts";
import { chainPath } from "../../../science/diffusion/path.ts";
import { makeBetas, type ScheduleName } from "../../../science/diffusion/schedule/betas.ts";
import { makeTables } from "../../../science/diffusion/schedule/tables.ts";
import type { UnetConfig } from "../../../science/diffusion/unet/config.ts";
import { objectiveNamed } from "../../support/objectives.ts";
import { unetOf } from "../../support/unet.ts";
import { encodeSafetensors } from "../../../science/formats/safetensors.ts";
import { toDiffusers } from "../../../stages/export/run.ts";
import type { StoredCheckpoint } from "../../../artifacts/checkpoint.ts";
import { type Device, openDevice, randomStream } from "../../../science/tensor/mod.ts";

interface Case {
  readonly model: UnetConfig;
  readonly betas: ScheduleName;
  readonly zeroTerminalSnr?: true;
  readonly objective: ObjectiveName;
}

const CASES: Readonly<Record<string, Case>> = {
  /** Ho et al. 2020 for CIFAR-10. */
  paper: {
    model: {
      imageSize: 32,
      inChannels: 3,
      outChannels: 3,
      channels: 128,
      multipliers: [1, 2, 2, 2],
      blocks: 2,
      attention: [16],
    },
    betas: "ho/linear",
    objective: "eps",
  },
  learned: {
    model: {
      imageSize: 16,
      inChannels: 3,
      outChannels: 6,
      channels: 160,
      multipliers: [1, 2],
      blocks: 1,
      attention: [16, 8],
    },
    betas: "ldm/cosine",
    objective: "v",
  },
  /** A schedule that has no name in the library, so it is exported by its betas. */
  unnamed: {
    model: {
      imageSize: 8,
      inChannels: 1,
      outChannels: 1,
      channels: 128,
      multipliers: [1, 1],
      blocks: 1,
      attention: [],
    },
    betas: "sigmoid",
    zeroTerminalSnr: true,
    objective: "x0",
  },
  /** Wider than high. */
  wide: {
    model: {
      imageSize: 8,
      imageWidth: 24,
      inChannels: 4,
      outChannels: 4,
      channels: 128,
      multipliers: [1, 2],
      blocks: 1,
      attention: [4],
    },
    betas: "ho/linear",
    objective: "eps",
  },
  /** Conditioned on one of ten labels, or none. */
  labels: {
    model: {
      imageSize: 8,
      inChannels: 3,
      outChannels: 3,
      channels: 128,
      multipliers: [1, 1],
      blocks: 1,
      attention: [4],
      classes: 10,
    },
    betas: "ho/linear",
    objective: "eps",
  },
};

const LABELS = [7, undefined];

const BATCH = 2;
const TIMESTEPS = 1000;

/** Kernels of variance 1 / fan-in, scales around 1, biases around 0: no parameter without an effect. */
function randomParameters(model: UnetConfig): Float32Array<ArrayBuffer> {
  const stream = randomStream({ seed: 1, stream: "interchange" });
  const network = unetOf(model);
  return packParameters(
    Object.fromEntries(
      network.parameters.map((spec, index) => {
        const { shape, init } = spec;
        const fanIn = shape.slice(0, -1).reduce((product, length) => product * length, 1);
        const scale = typeof init === "object" ? Math.sqrt(3 / fanIn) : 0.2;
        const offset = init === "ones" ? 1 : 0;
        return [spec.name, stream.uniform(index, sizeOf(spec)).map((u) => scale * (2 * u - 1) + offset)];
      }),
    ),
    network,
  );
}

function makeCheckpoint({ model, betas: name, objective, ...zero }: Case): StoredCheckpoint {
  const schedule = { name, timesteps: TIMESTEPS, linearStart: 1e-4, linearEnd: 2e-2, cosineS: 8e-3 };
  const { zeroTerminalSnr } = zero;
  const spec = { ...schedule, ...(zeroTerminalSnr === undefined ? {} : { zeroTerminalSnr }) };
  const params = randomParameters(model);
  const { imageSize, imageWidth = imageSize, inChannels } = model;
  return {
    config: {
      model,
      images: { height: imageSize, width: imageWidth, channels: inChannels, source: { name: "random weights" } },
      schedule: spec,
      timesteps: TIMESTEPS,
      step: 0,
      parameters: params.length,
      ema: { decay: 0, warmup: false },
      seed: 1,
      objective,
    },
    network: unetOf(model),
    form: BYTES,
    objective: objectiveNamed(objective),
    path: chainPath(makeTables(makeBetas(spec))),
    params,
  };
}

/** Returns x and the prediction with channels first, as the other library has them. */
async function predict(device: Device, { network, path: { tables }, params }: StoredCheckpoint) {
  const { height, width, channels: inChannels, outChannels, classes } = network.sizes;
  const x = randomStream({ seed: 2, stream: "interchange" }).normal(0, BATCH * height * width * inChannels);
  const t = Int32Array.of(3, 700);
  const compiled = await device.compile(makeModelOutput(network), modelOutputSignature(network, BATCH));
  const told = classes === undefined ? {} : { classes: oneHotLabels(LABELS, classes) };
  const { output } = await compiled.run({ params, x, t, ...told });
  await compiled.dispose();
  const images = (data: Float32Array, channels: number) => ({
    shape: [BATCH, channels, height, width],
    data: channelsFirst(data, channels, height * width),
  });
  const betas = Float32Array.from(tables!.betas);
  return encodeSafetensors({
    tensors: {
      x: images(x, inChannels),
      t: { shape: [BATCH], data: t },
      output: images(output as Float32Array, outChannels),
      betas: { shape: [betas.length], data: betas },
      ...(classes === undefined ? {} : {
        labels: { shape: [BATCH], data: Int32Array.from(LABELS, (label) => label ?? classes) },
      }),
    },
  });
}

/** Transposes [B, P, C] to [B, C, P]. */
function channelsFirst(data: Float32Array, channels: number, pixels: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(data, (_, i) => {
    const image = Math.floor(i / (pixels * channels));
    const [channel, pixel] = [Math.floor(i / pixels) % channels, i % pixels];
    return data[(image * pixels + pixel) * channels + channel]!;
  });
}

async function main(folder: string): Promise<void> {
  const device = await openDevice("onnx");
  for (const [name, one] of Object.entries(CASES)) {
    const checkpoint = makeCheckpoint(one);
    const files = { ...toDiffusers(checkpoint).value, "expected.safetensors": await predict(device, checkpoint) };
    for (const [path, content] of Object.entries(files)) {
      const place = join(folder, name, path);
      await Deno.mkdir(dirname(place), { recursive: true });
      await Deno.writeFile(place, new Blob([content].flat() as BlobPart[]).stream());
    }
    console.log(`${name}: ${checkpoint.params.length} parameters`);
  }
  await device.dispose();
}

if (import.meta.main) {
  const [folder] = Deno.args;
  if (folder === undefined) {
    console.error("Cannot export: got no folder. Fix: name the folder to write to.");
    Deno.exit(2);
  }
  await main(folder);
}
