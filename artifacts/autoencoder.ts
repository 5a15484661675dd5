import { sha256 } from "@noble/hashes/sha2.js";
import { z } from "zod";
import type { Facts, InputArtifact, OutputArtifact, OwnDefinition } from "../engine/contract/stage.ts";
import { type Autoencoder, makeAutoencoder } from "../science/diffusion/autoencoder/autoencoder.ts";
import { BUILTIN_AUTOENCODER } from "../science/diffusion/autoencoders.ts";
import type { ImageSizes } from "../science/diffusion/define.ts";
import { countOf, type NamedArrays, packParameters } from "../science/diffusion/network.ts";
import { formOf } from "../science/diffusion/normalizer.ts";
import { FormatError, refuse } from "../science/formats/format_error.ts";
import { ownRecordSchema } from "../schemas/definitions.ts";
import { definedOnly } from "../std/defined_only.ts";
import { definitionByDigest } from "./own_definitions.ts";
import { checked, readJson, writeJson } from "./record.ts";
import { averagesRecord, imagesRecord, readWeights, weightNames, writeWeights } from "./weights.ts";

/** Artifact of type `autoencoder`: raw and averaged weights by name, and `autoencoder.json`. */
const CONFIG_FILE = "autoencoder.json";

const configSchema = z.strictObject({
  model: z.union([BUILTIN_AUTOENCODER.record, ownRecordSchema]),
  /** The images that it was trained on; it takes those of other sizes as well, if its code does. */
  images: imagesRecord,
  /** The factor that the authors of published weights multiply latents by. */
  factor: z.number().positive().exactOptional(),
  step: z.int().min(0),
  parameters: z.int().min(0),
  ema: averagesRecord,
  seed: z.int().min(0),
  /** The settings of the loss. Absent for imported weights. */
  loss: z.record(z.string(), z.unknown()).exactOptional(),
});

type AutoencoderConfig = z.output<typeof configSchema>;
export type AutoencoderRecord = AutoencoderConfig["model"];

export async function writeAutoencoder(
  output: OutputArtifact,
  { config, layout, weights }: {
    readonly config: AutoencoderConfig;
    readonly layout: Pick<Autoencoder, "parameters" | "count">;
    /** Flat parameter vectors [P]: `raw`, `ema` and those that `config.ema.others` names. */
    readonly weights: Readonly<Record<string, Float32Array>>;
  },
): Promise<void> {
  await writeJson(output, CONFIG_FILE, config, configSchema);
  await writeWeights(output, layout, weights);
}

export type StoredAutoencoder = Awaited<ReturnType<typeof readAutoencoder>>;

/** An autoencoder that only decodes; a built-in one has no weights of its encoder. */
export type StoredDecoder = Omit<StoredAutoencoder, "encoder">;

/**
 * Reads an autoencoder.
 *
 * @param own the user's definitions that the stage was given: `context.definitions`
 * @throws FormatError when the artifact's files are not those of `writeAutoencoder`, or its definition is not in `own`
 */
export async function readAutoencoder(artifact: InputArtifact, weights: string, own: readonly OwnDefinition[]) {
  const config = await readJson(artifact, CONFIG_FILE, configSchema);
  const { named } = await readWeights(artifact, weights, config.parameters);
  return { ...await openCode(config, named, own), encoder: encoderDigest(config, named) };
}

/**
 * Opens a record with weights by name, all or, of a built-in autoencoder, those of its decoder.
 *
 * @throws FormatError if its definition is not in `own`
 */
async function openCode(config: AutoencoderConfig, named: NamedArrays, own: readonly OwnDefinition[]) {
  const { model } = config;
  const definition = "uses" in model ? definitionByDigest("autoencoder", model, own) : await BUILTIN_AUTOENCODER.load();
  const isWhole = "uses" in model || !Object.keys(named).every(isOfDecoder);
  const codeFor = (sizes: ImageSizes): Autoencoder => {
    const whole = checked(`${CONFIG_FILE}, model`, () => {
      return makeAutoencoder(sizes, definition.build(sizes, "uses" in model ? model.params : model));
    });
    const parameters = whole.parameters.filter(({ name }) => isWhole || isOfDecoder(name));
    return { ...whole, parameters, count: countOf(parameters) };
  };
  return {
    config,
    /** The form of the images that it was trained on, and of those that it decodes. */
    form: formOf(config.images),
    /** Returns the code for images of a size, with the chosen weights, flat [P]. @throws FormatError if it has none */
    build(sizes: ImageSizes) {
      const autoencoder = codeFor(sizes);
      return { autoencoder, params: checked("its weights", () => packParameters(named, autoencoder)) };
    },
    /** Returns the size of the images of latents. @throws FormatError if no images have such latents */
    imagesOf(latents: ImageSizes): ImageSizes {
      const { images: { height, width, channels } } = config;
      const { latent } = codeFor({ height, width, channels });
      const sizes = {
        height: latents.height * height / latent.height,
        width: latents.width * width / latent.width,
        channels,
      };
      const fits = latents.channels === latent.channels && Number.isInteger(sizes.height * sizes.width);
      if (fits) return sizes;
      const text = ({ height, width, channels }: ImageSizes) => `${height}x${width}x${channels}`;
      return refuse("latents", text(latents), `those of images of its size, ${text(latent)}, or of a multiple`);
    },
  };
}

/**
 * Reads the decoder of latents of an encoder, from an autoencoder whose weights of one of these names have it.
 *
 * @param names default: all @throws FormatError as `readAutoencoder`, and for another encoder, with the digests of both
 */
export async function readDecoder(
  artifact: InputArtifact,
  encoder: string | undefined,
  own: readonly OwnDefinition[],
  names?: readonly string[],
): Promise<StoredDecoder> {
  const encoders: string[] = [];
  const config = await readJson(artifact, CONFIG_FILE, configSchema);
  for (const weights of names ?? weightNames(config)) {
    const { named } = await readWeights(artifact, weights, config.parameters);
    const found = encoderDigest(config, named);
    if (found === encoder) {
      const isNeeded = ([name]: [string, unknown]) => "uses" in config.model || isOfDecoder(name);
      return await openCode(config, Object.fromEntries(Object.entries(named).filter(isNeeded)), own);
    }
    if (!encoders.includes(found)) encoders.push(found);
  }
  throw new FormatError("the autoencoder cannot decode these", {
    got: encoder === undefined ? "images that are no latents" : `latents of encoder ${encoder}`,
    wanted: `latents of encoder ${encoders.join(" or ")}`,
    fix: "take the autoencoder of the encode stage, and the same weights, or one with the same encoder",
  });
}

/** True for parameters that only the decoder uses. */
function isOfDecoder(name: string): boolean {
  return /^(decoder|codebook)(\.|$)/.test(name);
}

const utf8 = new TextEncoder();

/**
 * Returns the digest by which latents know their encoder: of its code, its weights, and the form of the images. The
 * parameters of the decoder alone do not enter it, so that a decoder may be trained further.
 */
function encoderDigest({ model, images }: AutoencoderConfig, named: Readonly<Record<string, Float32Array>>): string {
  const { codes: _, ...code } = "uses" in model ? { codes: undefined, ...model, uses: undefined } : model;
  const hash = sha256.create().update(utf8.encode(JSON.stringify([code, formOf(images)])));
  for (const [name, values] of Object.entries(named).sort(([a], [b]) => a < b ? -1 : 1)) {
    if (isOfDecoder(name)) continue;
    hash.update(utf8.encode(`${name} ${values.length} `)).update(
      new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    );
  }
  return hash.digest().toHex();
}

export async function validate(artifact: InputArtifact): Promise<void> {
  const config = await readJson(artifact, CONFIG_FILE, configSchema);
  for (const weights of weightNames(config)) await readWeights(artifact, weights, config.parameters);
}

export async function facts(artifact: InputArtifact): Promise<Facts> {
  const { images: { height, width, channels, dtype }, model, factor, ema } = await readJson(
    artifact,
    CONFIG_FILE,
    configSchema,
  );
  const averages = Object.keys(ema.others ?? {});
  return { height, width, channels, ...definedOnly({ dtype, factor }), autoencoder: model, averages };
}
