/**
 * Run a custom stage in a test, without a pipeline around it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import type { z } from "zod";
import type {
  InputArtifact,
  InputPort,
  InputPorts,
  OutputPorts,
  SavedState,
  StageContext,
  StageDefinition,
  StageEnd,
} from "../contract.ts";
import { holdToTypes } from "../shared/check_artifact.ts";

/** Files of an artifact by name. */
export type TestFiles = Readonly<Record<string, string | Uint8Array>>;

type TestInput<P extends InputPort> = P extends { list: true } ? readonly TestFiles[] : TestFiles;

export type TestInputs<I extends InputPorts> =
  & { readonly [K in keyof I as I[K] extends { optional: true } ? never : K]: TestInput<I[K]> }
  & { readonly [K in keyof I as I[K] extends { optional: true } ? K : never]?: TestInput<I[K]> };

export interface TestOptions<P extends z.ZodObject, I extends InputPorts> {
  /** As in a pipeline file: defaults are filled in. */
  readonly params?: z.input<P>;
  readonly inputs: TestInputs<I>;
  readonly seed?: number;
  /** Abort it to see the stage save and stop. */
  readonly stop?: AbortSignal;
}

/** What a stage wrote to one output. */
export interface TestOutput {
  /** Names, sorted. */
  readonly files: readonly string[];
  /** A file as text. Throws on a name that was not written. */
  text(name: string): string;
  bytes(name: string): Uint8Array<ArrayBuffer>;
}

export interface TestRun<O extends OutputPorts> {
  /** How it ended; undefined where it simply completed. */
  readonly end: StageEnd | undefined;
  readonly outputs: { readonly [K in keyof O]: TestOutput };
  /** What it said with `note` and `warn`. */
  readonly notes: readonly string[];
}

/**
 * Run a stage in this process on files that the test gives, and look at what it wrote. It is not contained here: what a
 * stage may not do shows when a pipeline runs it. A throw of the stage is a throw of this.
 */
export async function testStage<P extends z.ZodObject, const I extends InputPorts, const O extends OutputPorts>(
  stage: StageDefinition<P, I, O>,
  options: TestOptions<P, I>,
): Promise<TestRun<O>> {
  const folder = await Deno.makeTempDir({ prefix: "noiseline-stage-" });
  try {
    const notes: string[] = [];
    const given = options.inputs as Readonly<Record<string, TestFiles | readonly TestFiles[] | undefined>>;
    const inputs = Object.fromEntries(
      Object.entries(stage.inputs).map((
        [port, definition],
      ) => [port, layOut(join(folder, "in", port), definition, given[port])]),
    );
    const places = Object.keys(stage.outputs).map((port) => [port, join(folder, "out", port)] as const);
    const context = {
      params: stage.params.parse(options.params ?? {}),
      seed: stage.seeded === true ? options.seed ?? 0 : 0,
      inputs,
      outputs: Object.fromEntries(places.map(([port, place]) => [port, openOutput(place)])),
      progress: memoryProgress(),
      device: undefined,
      packages: {},
      downloads: undefined,
      stop: options.stop ?? new AbortController().signal,
      report: () => {},
      note: (message: string) => notes.push(message),
      warn: (message: string) => notes.push(message),
    } as unknown as StageContext<P, I, O>;
    const end = await holdToTypes(stage as unknown as StageDefinition)(context as unknown as StageContext) ?? undefined;
    const outputs = Object.fromEntries(places.map(([port, place]) => [port, collect(place)]));
    return { end, outputs: outputs as { [K in keyof O]: TestOutput }, notes };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function layOut(folder: string, port: InputPort, given: TestFiles | readonly TestFiles[] | undefined): unknown {
  if (given === undefined) return undefined;
  if (Array.isArray(given)) return given.map((files, index) => openInput(join(folder, String(index)), port, files));
  return openInput(folder, port, given as TestFiles);
}

function openInput(folder: string, port: InputPort, given: TestFiles): InputArtifact {
  const files = Object.entries(given).map(([path, content]) => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const place = join(folder, path);
    Deno.mkdirSync(dirname(place), { recursive: true });
    Deno.writeFileSync(place, bytes);
    return { path, size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
  });
  const path = (name: string): string => {
    if (files.some((file) => file.path === name)) return join(folder, name);
    throw new RangeError(`The test gives no file "${name}": it gives ${Object.keys(given).join(", ") || "none"}`);
  };
  return {
    type: [port.type].flat()[0]! as InputArtifact["type"],
    // A test's input has no place in a store; its digest only has to follow its content.
    digest: createHash("sha256").update(JSON.stringify(files)).digest("hex"),
    files,
    path,
    read: (name) => Deno.readFile(path(name)),
    readText: (name) => Deno.readTextFile(path(name)),
  };
}

function openOutput(folder: string): StageContext["outputs"][string] {
  Deno.mkdirSync(folder, { recursive: true });
  return {
    folder,
    write: async (name, content) => {
      await Deno.mkdir(dirname(join(folder, name)), { recursive: true });
      await Deno.writeFile(
        join(folder, name),
        typeof content === "string" ? new TextEncoder().encode(content) : content,
      );
    },
  };
}

function collect(folder: string): TestOutput {
  const found = new Map<string, Uint8Array<ArrayBuffer>>();
  const visit = (place: string, prefix: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(place)) {
      if (isDirectory) visit(join(place, name), `${prefix}${name}/`);
      else found.set(`${prefix}${name}`, Deno.readFileSync(join(place, name)));
    }
  };
  visit(folder, "");
  const files = [...found.keys()].sort();
  const bytes = (name: string) => {
    const content = found.get(name);
    if (content !== undefined) return content;
    throw new RangeError(`The stage wrote no file "${name}": it wrote ${files.join(", ") || "none"}`);
  };
  return { files, bytes, text: (name) => new TextDecoder().decode(bytes(name)) };
}

function memoryProgress(): StageContext["progress"] {
  let newest: SavedState | undefined;
  return {
    latest: () => Promise.resolve(newest),
    save: (step, files) => {
      const kept = new Map(Object.entries(files).map(([name, content]) => [name, Uint8Array.from(content)]));
      newest = { step, read: (name) => Promise.resolve(Uint8Array.from(kept.get(name)!)) };
      return Promise.resolve();
    },
  };
}
