import { type ImagesWriter, openImagesWriter } from "../../artifacts/image_files.ts";
import type { OutputArtifact, SavedState, StageEnd } from "../../engine/contract/stage.ts";
import { dtypeOf, type ValueType } from "../../science/diffusion/normalizer.ts";
import { type DeepImage, toBytes } from "../../science/formats/byte_image.ts";
import { decodeVectors, encodeVectors } from "../../science/formats/vectors.ts";
import { firstNotFinite } from "../../science/metrics/vectors.ts";
import { countOf } from "../../std/count_of.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { findNormalizer } from "./find_normalizer.ts";
import { fitImage } from "./fit.ts";
import { brokenFiles, Forms, listBroken } from "./image_files.ts";
import type { Item, Items, Labels } from "./items.ts";
import { type DatasetContext, usualTestCount } from "./kind.ts";
import { isTransparent } from "./pixels.ts";
import { splitByHash, type SplitName } from "./split.ts";

const SPLITS = ["train", "test"] as const;
/** The file of a saved state with the numbers that the normaliser remembers, and the rest as metadata. */
const STATE_FILE = "values.safetensors";

type Form = Pick<Item, "height" | "width" | "channels"> & { readonly dtype: ValueType };

/** Splits a user's own data, and writes each item as soon as it is read, going on where an earlier process saved. */
export async function writeItems(items: Items, context: DatasetContext): Promise<StageEnd | undefined> {
  const { params, stop, report, progress } = context;
  const { names, labels, broken, others = 0 } = items;
  const unit = items.isFitted ? "image" : "item";
  const { limit = Infinity, skip, saveEverySeconds = 30 } = params;
  const taken = Math.min(names.length, limit);
  if (taken === 0) return noItems(items, params.path ?? "it");
  const { testCount = usualTestCount(taken) } = params;
  if (testCount >= taken) {
    const message = `the test split leaves no ${unit}s to train on: testCount ${testCount} of ${taken} ${unit}s`;
    return { status: "failed", message, fix: `${taken < 2 ? "" : "lower testCount or "}add ${unit}s` };
  }
  if (typeof labels === "string") {
    const fix = "correct the labels, or set labels: none";
    return { status: "failed", message: labels, fix };
  }
  const empty = labels === undefined ? [] : classesWithout(labels);
  if (empty.length > 0) {
    const [some, more] = [empty.slice(0, 5).join(", "), empty.length > 5 ? " and others" : ""];
    context.warn(
      `no ${unit} has label ${some}${more}, of 0 to ${labels!.classes - 1}: labels count from 0, or are names`,
    );
  }
  if (others > 0) context.note(`skipped ${countOf(others, "file")} of another kind than images`);

  const { train, test } = splitByHash(names, { testCount, limit });
  const isTest = new Uint8Array(names.length);
  for (const index of test) isTest[index] = 1;
  const chosen = Uint32Array.from(train.concat(test)).sort();
  const examined = chosen.length + broken.size;
  using writers = new Writers(context, items, { train: train.length, test: test.length });
  const forms = new Forms();
  const depths = new Forms();
  const told = new Set<string>();
  // Nothing more is written once the stage is bound to fail, but all that is wrong with the rest is still found.
  const isLost = () => forms.size > 1 || depths.size > 0 || (broken.size > 0 && skip === undefined);
  const saved = await progress.latest();
  if (saved !== undefined) await writers.resume(saved);
  let done = saved?.step ?? 0;
  let last = done;
  const before = chosen.subarray(0, done).filter((index) => !broken.has(names[index]!));
  for (const index of before) forms.add(`${writers.form?.height}x${writers.form?.width}`, names[index]!);
  for await (const got of items.read(chosen.subarray(done))) {
    if (done > last && !isLost() && (stop.aborted || progress.isDue(saveEverySeconds))) await writers.save(last = done);
    if (stop.aborted) return { status: "interrupted", step: last };
    const index = chosen[done]!;
    const item = typeof got === "string" ? got : notFinite(got) ?? got;
    report({ done: ++done, total: chosen.length, unit: `${unit}s` });
    if (typeof item === "string") {
      broken.set(names[index]!, item);
      continue;
    }
    const fitted = items.isFitted ? fit(item, context) : item;
    for (const loss of items.isFitted && fitted !== undefined ? lossesOf(item, fitted) : []) {
      if (!told.has(loss)) context.note(`${names[index]} ${loss}; others like it are not named`);
      told.add(loss);
    }
    if (fitted === undefined) depths.add(`${depthOf(item)} bits`, names[index]!);
    else forms.add(`${fitted.height}x${fitted.width}`, names[index]!);
    if (fitted === undefined || isLost()) continue;
    await writers.add(isTest[index] === 1 ? "test" : "train", fitted, labels?.of[index]);
  }
  if (broken.size > 0 && skip === undefined) return brokenFiles(broken, examined, unit);
  if (depths.size > 0) return wrongDepth(depths, forms.size > 0, context);
  if (forms.size > 1) {
    const fix = "set size, to which all are resized, or remove the others";
    return { status: "failed", message: `the images have ${forms.size} sizes, height x width: ${forms}`, fix };
  }
  if (broken.size > 0) context.warn(`left out ${countOf(broken.size, unit)} of ${examined}:\n${listBroken(broken)}`);
  return await writers.finish();
}

function noItems({ broken, isFitted }: Items, path: string): StageEnd {
  if (broken.size > 0) return brokenFiles(broken, broken.size);
  const message = `there is no ${isFitted ? "PNG or JPEG file" : "item"} in ${path}`;
  return { status: "failed", message, fix: "set path to where the images are; sub-folders are looked into" };
}

/** Returns what is wrong with the numbers of an item, if anything is. */
function notFinite({ data }: Item): string | undefined {
  if (!(data instanceof Float32Array)) return undefined;
  const at = firstNotFinite(data);
  return at < 0 ? undefined : `value ${at} is ${data[at]}, which is no finite number`;
}

const depthOf = ({ data }: Pick<Item, "data">) => data instanceof Uint16Array ? 16 : 8;

/** Gives an image the form that params ask for; undefined if it has another depth than they expect. */
function fit({ data, ...form }: Item, { params }: DatasetContext): Item | undefined {
  // The kind's check makes sure that floats have no form to be given.
  const image = { ...form, data: data as Uint8Array | Uint16Array };
  const { channels = 3, depth, size, resize } = params;
  const wanted = depth === 8 ? toBytes(image) : image;
  if (depthOf(wanted) !== (depth ?? 8)) return undefined;
  return fitImage(wanted, { channels, resize, size: typeof size === "number" ? [size, size] : size });
}

/** Returns what an image loses that its owner may not expect. */
function lossesOf(item: Item, fitted: Item): readonly string[] {
  const { height, width, channels } = item;
  const losesAlpha = fitted.channels % 2 === 1 && isTransparent(item as DeepImage);
  const stretch = height / width / (fitted.height / fitted.width);
  return [
    ...losesAlpha ? [`has transparency, and is put on white; set channels: ${channels} to keep it`] : [],
    ...Math.min(stretch, 1 / stretch) < LEAST_LEFT
      ? [`is ${height}x${width}, height x width, and becomes ${fitted.height}x${fitted.width}`]
      : [],
  ];
}

/** The least part of an image that a crop may leave without a word. */
const LEAST_LEFT = 1 / 2;

/** Returns the labels that no item has, of those up to the largest. */
function classesWithout({ of, classes }: Labels): readonly number[] {
  const seen = new Uint8Array(classes);
  for (const label of of) seen[label] = 1;
  return Array.from(seen.keys()).filter((label) => seen[label] === 0);
}

/** @param isMixed true if others have the wanted depth */
function wrongDepth(depths: Forms, isMixed: boolean, { params: { depth } }: DatasetContext): StageEnd {
  const fix = depth === undefined && !isMixed
    ? "set depth: 16 to keep all 16 bits, or depth: 8 to round them"
    : "set depth: 8 to round those of 16 bits, or convert the others";
  return { status: "failed", message: `samples have ${depths}, wanted ${depth ?? 8}`, fix };
}

/** Writes both splits at the same time. The first item tells what all of them are like. */
class Writers implements Disposable {
  #open: Record<SplitName, ImagesWriter> | undefined;
  #finder: ReturnType<typeof findNormalizer> | undefined;
  form: Form | undefined;
  #written = { train: 0, test: 0 };

  /** @param most the most items of each split */
  constructor(
    readonly context: DatasetContext,
    readonly items: Items,
    readonly most: Readonly<Record<SplitName, number>>,
  ) {}

  async add(split: SplitName, { height, width, channels, data }: Item, label: number | undefined): Promise<void> {
    const open = this.#open ??= this.#openBoth({ height, width, channels, dtype: dtypeOf(data) });
    if (split === "train") this.#finder?.add(data);
    this.#written[split]++;
    await open[split].add(data, label === undefined ? undefined : [label]);
  }

  async save(done: number): Promise<void> {
    const rest = JSON.stringify([this.form, this.#written, [...this.items.broken]]);
    const values = { [STATE_FILE]: encodeVectors(this.#finder?.state ?? {}, { rest }) };
    const files = await Promise.all(SPLITS.map((split) => this.#open?.[split].save(split)));
    await this.context.progress.save(done, Object.assign(values, ...files));
  }

  async resume(saved: SavedState): Promise<void> {
    const { vectors, metadata } = decodeVectors(await saved.read(STATE_FILE));
    const [form, written, broken] = JSON.parse(metadata["rest"]!);
    for (const [name, reason] of broken) this.items.broken.set(name, reason);
    if (form === null) return;
    this.#written = written;
    const open = this.#open = this.#openBoth(form);
    for (const split of SPLITS) await open[split].resume(saved, split, this.#written[split]);
    // States of earlier versions have no bounds of values.
    for (const [name, own] of Object.entries(this.#finder?.state ?? {})) own.set(vectors[name] as Float64Array ?? own);
  }

  #openBoth(form: Form) {
    const { context: { params, outputs }, items: { labels }, most } = this;
    this.form = form;
    this.#finder = findNormalizer(params.normalize, form);
    const { classes = null, classNames } = labels as Labels | undefined ?? {};
    const open = (split: SplitName, output: OutputArtifact) => {
      const source = definedOnly({ name: params.source, split, classNames });
      return openImagesWriter(output, { count: most[split], ...form, classes, source }, "preview.png");
    };
    return { train: open("train", outputs.train), test: open("test", outputs.test) };
  }

  [Symbol.dispose](): void {
    for (const split of SPLITS) this.#open?.[split][Symbol.dispose]();
  }

  async finish(): Promise<StageEnd | undefined> {
    const { train, test } = this.#written;
    if (train === 0 || test === 0 || this.#open === undefined) {
      const message =
        `what was not left out is ${train} to train on and ${test} to test with: neither split may be empty`;
      return { status: "failed", message, fix: "repair or add some" };
    }
    const normalizer = this.#finder?.find();
    if (typeof normalizer === "string") {
      return { status: "failed", message: normalizer, fix: "set normalize: { range: … }" };
    }
    const doubt = this.#finder?.doubt?.();
    if (doubt !== undefined) this.context.warn(doubt);
    for (const split of SPLITS) await this.#open[split].finish(definedOnly({ normalizer }));
    return undefined;
  }
}
