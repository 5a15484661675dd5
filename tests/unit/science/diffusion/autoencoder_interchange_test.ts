/** Fixtures were made by diffusers 0.42.1, with tests/peers/diffusers/autoencoders.py. */
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import type { AutoencoderConfig } from "../../../../science/diffusion/autoencoder/config.ts";
import {
  fromTheirAutoencoder,
  toTheirAutoencoder,
} from "../../../../science/diffusion/interchange/autoencoder_config.ts";
import {
  fromAutoencoderTensors,
  fromLdmTensors,
  selectLdmTensors,
  toAutoencoderTensors,
} from "../../../../science/diffusion/interchange/autoencoder_tensors.ts";
import { autoencoderConfigSchema } from "../../../../science/diffusion/interchange/autoencoder_schema.ts";
import { InterchangeError } from "../../../../science/diffusion/interchange/problem.ts";
import type { TorchTensor } from "../../../../science/diffusion/interchange/tensors.ts";
import { FormatError } from "../../../../science/formats/format_error.ts";
import { decodeSafetensors } from "../../../../science/formats/safetensors.ts";
import { readTorchStateDict } from "../../../../science/formats/torch/state_dict.ts";
import { openDevice } from "../../../../science/tensor/mod.ts";
import { autoencoderErrors } from "../../../support/autoencoders.ts";
import { formulaWeights } from "./interchange_weights.ts";

const FIXTURES = ["kl", "kl-attention", "vq"] as const;
type Fixture = typeof FIXTURES[number];

const FOLDER = new URL("../../../golden/autoencoders/", import.meta.url);
const bytesOf = (path: string) => Deno.readFileSync(new URL(path, FOLDER));
const jsonOf = (fixture: Fixture, file: string) =>
  JSON.parse(new TextDecoder().decode(bytesOf(`${fixture}/${file}.json`)));

const problemOf = (translate: () => unknown) => assertThrows(translate, InterchangeError).problem;

function imported(fixture: Fixture) {
  const theirs = autoencoderConfigSchema.parse(jsonOf(fixture, "config"));
  const { config, factor } = fromTheirAutoencoder(theirs);
  const tensors = formulaWeights(jsonOf(fixture, "shapes"));
  return { theirs, config, factor, tensors, named: fromAutoencoderTensors(tensors, config) };
}

for (const fixture of FIXTURES) {
  Deno.test(`the autoencoder "${fixture}" of diffusers encodes and decodes here as there`, async () => {
    const { config, named } = imported(fixture);
    const { tensors: example } = decodeSafetensors(bytesOf(`${fixture}/example.safetensors`));
    const device = await openDevice("onnx");
    const errors = await autoencoderErrors(device, config, named, example);
    await device.dispose();
    assertEquals(Object.keys(errors).sort(), ["decoded", fixture === "vq" ? "indices" : "logVariance", "mean"]);
    // float32 of two libraries; decoded images have a standard deviation of 0.3 to 0.6, and indices are whole.
    for (const [name, error] of Object.entries(errors)) assert(error <= 1e-5, `${name} off by ${error}`);
    assertEquals(errors["indices"] ?? 0, 0);
  });

  Deno.test(`export gives back the names, shapes, numbers and config of "${fixture}" that the library saved`, () => {
    const { theirs, config, factor, tensors, named } = imported(fixture);
    const exported = toAutoencoderTensors(named, config);
    assertEquals(Object.keys(exported).sort(), Object.keys(tensors).sort());
    for (const [name, { shape, data }] of Object.entries(exported)) {
      assertEquals(shape, tensors[name]!.shape);
      assert(data.every((value, i) => value === tensors[name]!.data[i]), name);
    }
    const { sample_size: _, force_upcast: __, ...known } = theirs;
    assertEquals<unknown>(toTheirAutoencoder({ config, factor }), known);
  });

  Deno.test(`the checkpoint of latent-diffusion with the numbers of "${fixture}" is the same autoencoder`, () => {
    const { config, tensors, named } = imported(fixture);
    const names = Object.entries(jsonOf(fixture, "ldm") as Record<string, [string, number[]]>);
    const ldm = Object.fromEntries(names.map(([old, [name, shape]]) => [old, { ...tensors[name]!, shape }]));
    const read = () => fromLdmTensors(ldm);
    // Its normalisations have 32 groups.
    if (fixture === "vq") return assertStringIncludes(problemOf(read).message, ": groups");
    assertEquals(read(), { config, named });
    const { "encoder.conv_out.bias": without, ...rest } = ldm;
    assertEquals(
      problemOf(() => fromLdmTensors({ ...rest, "decoder.up.0.attn.0.q.bias": without! })).got,
      `encoder.conv_out.bias: none in the checkpoint, [${without!.shape}] in the network\n` +
        `decoder.up.0.attn.0.q.bias: [${without!.shape}] in the checkpoint, none in the network`,
    );
  });
}

Deno.test("configs of the published autoencoders are read with their factors, and written as they were", () => {
  const kl = { _class_name: "AutoencoderKL", _diffusers_version: "0.4.2", latent_channels: 4, sample_size: 256 };
  const encoder = (levels: number) => new Array(levels).fill("DownEncoderBlock2D");
  const decoder = (levels: number) => new Array(levels).fill("UpDecoderBlock2D");
  const f8: AutoencoderConfig = {
    kind: "kl",
    imageChannels: 3,
    channels: 128,
    multipliers: [1, 2, 4, 4],
    blocks: 2,
    attention: [],
    latentChannels: 4,
  };
  const mse = {
    ...kl,
    act_fn: "silu",
    block_out_channels: [128, 256, 512, 512],
    down_block_types: encoder(4),
    up_block_types: decoder(4),
    layers_per_block: 2,
  };
  assertEquals(fromTheirAutoencoder(autoencoderConfigSchema.parse(mse)), { config: f8, factor: 0.18215 });
  const vq = {
    _class_name: "VQModel",
    act_fn: "swish",
    block_out_channels: [128, 256, 512],
    down_block_types: encoder(3),
    up_block_types: decoder(3),
    latent_channels: 3,
    layers_per_block: 2,
    num_vq_embeddings: 8192,
    scaling_factor: 1,
  };
  assertEquals(fromTheirAutoencoder(autoencoderConfigSchema.parse(vq)), {
    config: { ...f8, kind: "vq", multipliers: [1, 2, 4], latentChannels: 3, codes: 8192 },
    factor: 1,
  });
});

const BASE = {
  _class_name: "AutoencoderKL",
  block_out_channels: [32, 64],
  down_block_types: ["DownEncoderBlock2D", "DownEncoderBlock2D"],
  up_block_types: ["UpDecoderBlock2D", "UpDecoderBlock2D"],
};

Deno.test("an autoencoder of other functions is refused by the field that makes it so", () => {
  const cases: [Record<string, unknown>, string, string][] = [
    [{ out_channels: 4 }, "out_channels", "in_channels, 3"],
    [{ block_out_channels: [32, 48] }, "block_out_channels", "multiples of the first width, 32"],
    [{ norm_num_groups: 5 }, "groups", "a divisor of channels, 32"],
    [{ block_out_channels: [32] }, "down_block_types, up_block_types", "1 each, the second mirrored"],
    [
      { down_block_types: ["AttnDownEncoderBlock2D", "DownEncoderBlock2D"] },
      "down_block_types, up_block_types",
      "2 each, the second mirrored",
    ],
  ];
  for (const [change, field, wanted] of cases) {
    const problem = problemOf(() => fromTheirAutoencoder(autoencoderConfigSchema.parse({ ...BASE, ...change })));
    assert(problem.message.endsWith(`: ${field}`), problem.message);
    assertEquals(problem.wanted, wanted);
  }
  const vq = { _class_name: "VQModel" };
  const fixed: [Record<string, unknown>, string][] = [
    [{ act_fn: "gelu" }, "act_fn"],
    [{ mid_block_add_attention: false }, "mid_block_add_attention"],
    [{ shift_factor: 0.1 }, "shift_factor"],
    [{ latents_mean: [0, 0, 0, 0] }, "latents_mean"],
    [{ latents_std: [1, 1, 1, 1] }, "latents_std"],
    [{ use_quant_conv: false }, "use_quant_conv"],
    [{ use_post_quant_conv: false }, "use_post_quant_conv"],
    [{ ...vq, norm_type: "spatial" }, "norm_type"],
    [{ ...vq, lookup_from_codebook: true }, "lookup_from_codebook"],
    [{ up_block_types: ["UpDecoderBlock2D", "UpBlock2D"] }, "up_block_types.1"],
    [{ scaling_factor: 0 }, "scaling_factor"],
    [{ _class_name: "AutoencoderTiny" }, "_class_name"],
    [{ temporal: true }, ""],
  ];
  for (const [change, field] of fixed) {
    const { error } = autoencoderConfigSchema.safeParse({ ...BASE, ...change });
    assertEquals(error?.issues.map(({ path }) => path.join(".")), [field], JSON.stringify(change));
  }
});

Deno.test("an autoencoder that the library cannot express is refused, with the params that work", () => {
  const { config } = imported("kl");
  const problem = (change: Partial<AutoencoderConfig>) =>
    problemOf(() => toTheirAutoencoder({ config: { ...config, groups: 32, ...change }, factor: 1 }));
  assertEquals(problem({ multipliers: [2, 2] }).got, "multipliers: [2, 2]");
  assertEquals(problem({ normEpsilon: 1e-5 }).message, "AutoencoderKL has no other normEpsilon");
  assertEquals(problem({ embedChannels: 3 }).wanted, "4");
  const { groups: _, ...uneven } = { ...config, groups: 1 };
  const said = problemOf(() => toTheirAutoencoder({ config: uneven, factor: 1 }));
  assertStringIncludes(said.message, "an AutoencoderKL has one number for all".slice(3));
  assertEquals(said.got, "channels 32: 8, 16 groups");
});

Deno.test("all weights that do not fit the config are named, with both shapes", () => {
  const { config, tensors } = imported("vq");
  const { "quantize.embedding.weight": codebook, "decoder.conv_in.bias": _, ...rest } = tensors;
  const problem = problemOf(() =>
    fromAutoencoderTensors({
      ...rest,
      "quantize.embedding.weight": { ...codebook!, shape: [5, 12] },
      "loss.logvar": codebook!,
    }, config)
  );
  assertEquals(
    problem.got,
    "decoder.conv_in.bias: none in the checkpoint, [48] in the network\n" +
      "quantize.embedding.weight: [5, 12] in the checkpoint, [12, 5] in the network\n" +
      "loss.logvar: [12, 5] in the checkpoint, none in the network",
  );
});

Deno.test("attention under the names of early releases is read", () => {
  const { config, tensors, named } = imported("kl-attention");
  const names = { to_q: "query", to_k: "key", to_v: "value", "to_out.0": "proj_attn" };
  const older = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [
      name.replace(/to_(q|k|v|out\.0)/, (part) => names[part as keyof typeof names]),
      tensor,
    ]),
  );
  // One in the middle of each half, two in the encoder's level and three in the decoder's.
  assertEquals(Object.keys(older).filter((name) => name.includes("query")).length, 2 * 7);
  assertEquals(fromAutoencoderTensors(older, config), named);
});

Deno.test("a checkpoint of PyTorch Lightning is read beside its own objects, and what is left out is named", async () => {
  const bytes = bytesOf("lightning.ckpt");
  const all = await readTorchStateDict(bytes, { entry: "state_dict" });
  const { tensors, leftOut } = selectLdmTensors(Object.fromEntries(all));
  assertEquals(tensors, {
    "encoder.conv_in.weight": { shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) },
    "quantize.embedding.weight": { shape: [2], data: Float32Array.of(1, 1) },
  });
  assertEquals(leftOut, ["loss (2)", "model (1)", "scale_factor (1)"]);
  const alone = selectLdmTensors({ "loss.logvar": 1, "model_ema.decay": 2, colorize: 3, "quant_conv.bias": 4 });
  assertEquals(alone, { tensors: { "quant_conv.bias": 4 }, leftOut: ["loss (1)", "model_ema (1)", "colorize (1)"] });
  // Without the name of the entry, nothing but tensors is allowed.
  await assertRejects(() => readTorchStateDict(bytes), FormatError, 'global "pytorch_lightning.callbacks');
});

Deno.test("a state dict that is no autoencoder's is refused by what it holds", () => {
  const weight: TorchTensor = { shape: [2, 3], data: new Float32Array(6) };
  const problem = problemOf(() => fromLdmTensors({ "layer.weight": weight }));
  assertEquals([problem.got, problem.message.endsWith(": state_dict")], ['["layer.weight"]', true]);
});
