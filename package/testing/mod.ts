/**
 * Run a custom stage in a test, without a pipeline, and check user-defined networks, objectives, noise paths, samplers,
 * augmentations and autoencoders.
 *
 * @module
 */
import { join } from "node:path";
import { writeImages } from "../../artifacts/images.ts";
import { withTypeChecks } from "../../artifacts/types.ts";
import type {
  InputPort,
  InputPorts,
  OutputPorts,
  ParamsSchema,
  StageContext,
  StageDefinition,
  StageEnd,
} from "../../engine/contract/stage.ts";
import { folderArtifact, makeContext, openOutput } from "../../engine/process/context.ts";
import { tryDevice } from "../../engine/process/device_trial.ts";
import type { DeviceName } from "../../science/tensor/devices.ts";
import { allParams } from "../../stages/shared/common_params.ts";
import { findStageDevice } from "../../stages/shared/device.ts";

export * from "./definitions.ts";

/** Files of an artifact by name. */
export type TestFiles = Readonly<Record<string, string | Uint8Array>>;

/** The test's files for one input port; for a list of inputs, those of each. */
export type TestInput<P extends InputPort> = P extends { list: true } ? readonly TestFiles[] : TestFiles;

/** The test's files for a stage, by input port. */
export type TestInputs<I extends InputPorts> =
  & { readonly [K in keyof I as I[K] extends { optional: true } ? never : K]: TestInput<I[K]> }
  & { readonly [K in keyof I as I[K] extends { optional: true } ? K : never]?: TestInput<I[K]> };

/** Options for running a stage in a test. */
export interface TestOptions<P extends ParamsSchema, I extends InputPorts> {
  /** As in a pipeline file: defaults are filled in. */
  readonly params?: P["_zod"]["input"];
  /** Files of each input. */
  readonly inputs: TestInputs<I>;
  /** The seed of a stage with `seeded: true`; default 0. */
  readonly seed?: number;
  /** The device of a stage with `device: true`. Default: the best that this machine has. */
  readonly device?: DeviceName;
  /** Abort this signal to test how the stage saves and stops. */
  readonly stop?: AbortSignal;
  /** Keep saved states in this folder, so that a second call resumes. Default: a temporary folder. */
  readonly progressFolder?: string;
}

/** The files that a stage wrote to one output. */
export interface TestOutput {
  /** File names, sorted. */
  readonly files: readonly string[];
  /** A file as text. Throws on a name that was not written. */
  text(name: string): string;
  /** A file as bytes. Throws on a name that was not written. */
  bytes(name: string): Uint8Array<ArrayBuffer>;
}

/** The result of a stage in a test. */
export interface TestRun<O extends OutputPorts> {
  /** The end of the stage; undefined if it simply completed. */
  readonly end: StageEnd | undefined;
  /** The files that the stage wrote, by output port. */
  readonly outputs: { readonly [K in keyof O]: TestOutput };
  /** The messages that the stage passed to `note` and `warn`. */
  readonly notes: readonly string[];
}

/**
 * Run a stage in this process on files that the test gives, and return what it wrote. The stage is not contained here:
 * a forbidden operation fails only when a pipeline runs it. Errors of the stage are passed on.
 */
export async function testStage<P extends ParamsSchema, const I extends InputPorts, const O extends OutputPorts>(
  stage: StageDefinition<P, I, O>,
  options: TestOptions<P, I>,
): Promise<TestRun<O>> {
  const folder = await Deno.makeTempDir({ prefix: "noiseline-stage-" });
  try {
    const notes: string[] = [];
    const { device = "auto", params: given = {}, stop = new AbortController().signal } = options;
    const params = allParams(stage).parse(stage.device === true ? { ...given, device } : given);
    const files = options.inputs as Readonly<Record<string, TestFiles | readonly TestFiles[] | undefined>>;
    const inputs = await Promise.all(
      Object.entries(stage.inputs).map(async ([port, definition]) =>
        [port, await layOut(join(folder, "in", port), definition, files[port])] as const
      ),
    );
    const places = Object.keys(stage.outputs).map((port) => [port, join(folder, "out", port)] as const);
    for (const [, place] of places) Deno.mkdirSync(place, { recursive: true });
    const start = {
      params,
      seed: stage.seeded === true ? options.seed ?? 0 : 0,
      inputs: Object.fromEntries(inputs),
      outputs: Object.fromEntries(places),
      progressFolder: options.progressFolder ?? join(folder, "progress"),
      progressLimit: Number.MAX_SAFE_INTEGER,
      device: stage.device === true ? await findDevice(device) : undefined,
      packages: {},
      externals: {},
      downloads: undefined,
    };
    Deno.mkdirSync(start.progressFolder, { recursive: true });
    const context = makeContext(start, stop, (event) => {
      if (event.type === "note" || event.type === "warn") notes.push(event.message);
    });
    const end = await withTypeChecks(stage as unknown as StageDefinition)(context as unknown as StageContext) ??
      undefined;
    const outputs = Object.fromEntries(places.map(([port, place]) => [port, collect(place)]));
    return { end, outputs: outputs as { [K in keyof O]: TestOutput }, notes };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Return the files of an artifact of images, to give to a stage in a test.
 *
 * @param shape number of images, height, width and channels (1 or 3)
 * @param pixels row-major, in that order
 */
export async function testImages(
  [count, height, width, channels]: readonly [number, number, number, number],
  pixels: Uint8Array<ArrayBuffer>,
): Promise<TestFiles> {
  const folder = await Deno.makeTempDir({ prefix: "noiseline-test-" });
  try {
    const info = { count, height, width, channels, classes: null, source: { name: "test" } };
    await writeImages(openOutput(folder), { info, pixels });
    const { files, bytes } = collect(folder);
    return Object.fromEntries(files.map((name) => [name, bytes(name)]));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function findDevice(device: DeviceName) {
  const found = await findStageDevice({ device }, tryDevice);
  if ("device" in found) return found.device;
  throw new Error(`${found.problem.message}. Fix: ${found.problem.fix}.`);
}

async function layOut(folder: string, port: InputPort, given: TestFiles | readonly TestFiles[] | undefined) {
  if (given === undefined) return null;
  const one = async (place: string, files: TestFiles) => {
    Deno.mkdirSync(place, { recursive: true });
    const output = openOutput(place);
    for (const [name, content] of Object.entries(files)) await output.write(name, content);
    return folderArtifact(place, [port.type].flat()[0]!);
  };
  if (!Array.isArray(given)) return await one(folder, given as TestFiles);
  return await Promise.all(given.map((files, index) => one(join(folder, String(index)), files)));
}

function collect(folder: string): TestOutput {
  const found = new Map(
    folderArtifact(folder, "files").files.map(({ path }) => [path, Deno.readFileSync(join(folder, path))]),
  );
  const files = [...found.keys()];
  const bytes = (name: string) => {
    const content = found.get(name);
    if (content !== undefined) return content;
    throw new RangeError(`The stage wrote no file "${name}": it wrote ${files.join(", ") || "none"}`);
  };
  return { files, bytes, text: (name) => new TextDecoder().decode(bytes(name)) };
}
