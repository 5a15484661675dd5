import { Option } from "@commander-js/extra-typings";
import { dirname, join, resolve } from "node:path";
import {
  type Diagnostic,
  type Emit,
  inceptionName,
  type Pipeline,
  type Plan,
  readTail,
  type Store,
} from "noiseline/engine";
import { PipelineLoader } from "noiseline/core";
import { definedOnly } from "../../std/defined_only.ts";
import { type AnyCommand, type CliSettings, collect, storeCommand } from "../command.ts";
import { shortNumber, withDeviation } from "../../std/figures.ts";
import { countOf, parseCount } from "../format/units.ts";
import * as io from "../io.ts";
import { loadForCommand, openCacheFor, openStoreFor } from "../open.ts";
import { VERSIONS } from "../../package/program.ts";
import { openReporter } from "../reporters.ts";
import { artifactsOf } from "../../pages/results/experiments.ts";

const MORE = `

A set is a folder of PNG and JPEG files, an npz of images (arr_0, uint8 [N, H, W, C]), an npz of mu and sigma, or PIPELINE.yaml:STAGE for the result of a stage. Scores are cached. Other params are set by --set on the stages scored-real-images, scored-real, scored-fake-images, scored-fake and scored-pair; see \`stages score\`.`;

const EXAMPLES = `
  deno task score photographs samples
  deno task score photographs samples.npz --resize clean-fid --json
  deno task score fid_stats_cifar10_train.npz samples --resize tensorflow --count 50000
  deno task score pipelines/digits.yaml:digits.test pipelines/digits.yaml:sample --extractor pixels
  deno task score photographs samples --size 64 --at-least 500 --set scored-pair.bootstrap=50`;

const INCEPTION = "inception-2015-12-05";
const EXTRACTORS = [INCEPTION, "pixels", "onnx"];
const RESIZES = ["tensorflow", "torch-fidelity", "pytorch-fid", "clean-fid"];
/**
 * One more than the features: with fewer images a covariance is singular, and the distance mostly bias. A graph's
 * features are not counted before it runs: for it, as many images as a subset of KID has.
 */
const LEAST: Readonly<Record<string, number>> = { [INCEPTION]: 2_049, pixels: 193, onnx: 1_000 };

/** `score REAL FAKE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return storeCommand("score", EXAMPLES, MORE)
    .argument("<real>", "the real images")
    .argument("<fake>", "the samples")
    .addOption(
      new Option("--resize <mode>", "the program whose resizing to imitate, for Inception; default: tensorflow")
        .choices(RESIZES),
    )
    .addOption(new Option("--extractor <name>", "what maps images to features").choices(EXTRACTORS).default(INCEPTION))
    .option("--weights <file>", "the extractor's file (default: Inception's published weights are fetched once)")
    .option("--sha256 <digest>", "digest of other weights than Inception's own; the scores are then called FD and KD")
    .option("--size <n>", "cut the middle square out of each image and resize it first", parseCount)
    .option("--count <n>", "images behind a file of mu and sigma", parseCount)
    .option("--at-least <n>", "refuse smaller sets (default: one more than the features, 1000 for onnx)", parseCount)
    .option("-s, --set <path=value>", "set another param of a stage; repeatable", collect)
    .action(async (real, fake, options) => {
      const [a, b] = [await sideOf("real", real, options, settings), await sideOf("fake", fake, options, settings)];
      const [from, other] = new Set([a.from, b.from].filter((file) => file !== undefined));
      if (other !== undefined) io.refuse(`${from} and ${other} are two pipelines`, "give one set as a folder");
      const { atLeast = LEAST[options.extractor], json } = options;
      const isWhole = !a.isStatistics && !b.isStatistics;
      if (!isWhole) io.printError("note: FID alone; other scores need features, which mu and sigma do not have");
      // Subsets of KID have 1,000 images in all programs; none asks for more than there are in any case.
      const others = isWhole ? { kid: { size: Math.min(1_000, atLeast ?? 1_000) }, manifold: {} } : {};
      const pair = { uses: "score", seed: 0, inputs: { real: a.output, fake: b.output }, with: { atLeast, ...others } };
      const file = join(from === undefined ? Deno.cwd() : dirname(from), "score.yaml");
      const stages = { ...a.stages, ...b.stages, "scored-pair": pair };
      const value = { name: "scored-sets", ...definedOnly({ extends: from }), stages };
      const store = openStoreFor(options, dirname(file));
      const loader = new PipelineLoader(file, { ...settings, overrides: options.set ?? [], value });
      const pipeline = io.valueOf(await loader.load(), refuseInOptions);
      io.printDiagnostics(loader.warnings);
      const record = await run(pipeline, store, json === true);
      if (json) io.printJson({ real, fake, ...record });
      else describe({ real, fake }, record).forEach(io.printLine);
    });
}

/** The options that give params to the stages: to those of images, to the pair, and to those of features. */
const OPTIONS: readonly (readonly [stage: RegExp, options: Readonly<Record<string, string>>])[] = [
  [/-images$/, { size: "--size" }],
  [/-pair$/, { extractor: "--extractor", resize: "--resize", atLeast: "--at-least" }],
  [/./, { path: "--weights", sha256: "--sha256", resize: "--resize", extractor: "--extractor", count: "--count" }],
];

/** Ends the command with problems whose fixes name options in place of params, which the user has not written. */
function refuseInOptions(problems: readonly Diagnostic[]): never {
  io.refuseWith(problems.map((one) => {
    const stage = /^stage "(scored-[a-z-]+)"/.exec(one.message)?.[1];
    return stage === undefined || one.fix === undefined ? one : { ...one, fix: fixInOptions(stage, one.fix, one.path) };
  }));
}

/** @param param that a fix found before the run is about: the fix may then set further params with their values */
function fixInOptions(stage: string, fix: string, param?: string): string {
  const options = OPTIONS.find(([stages]) => stages.test(stage))?.[1] ?? {};
  return fix.replaceAll(
    /(?:\b(?:the|its) )?(?<![-.\w/])(\w+)(?:: (\{[^{}]*\}|[\w./-]+))?/g,
    (word, name, value) => {
      const option = options[name];
      if (option !== undefined) return value === undefined ? option : `${option} ${value}`;
      if (value === undefined || param === undefined) return word;
      const isOwn = param.endsWith(`.${name}`);
      return `--set "${isOwn ? param.replace(/^stages\.(.*?)\.with/, "$1") : `${stage}.${name}`}=${value}"`;
    },
  );
}

interface Options extends Partial<Readonly<Record<"resize" | "weights" | "sha256", string | undefined>>> {
  readonly extractor: string;
  readonly size?: number | undefined;
  readonly count?: number | undefined;
}

/** One of the two sets: the stages that bring it in, the reference to what they give, and the pipeline it is from. */
interface Side {
  readonly stages: Readonly<Record<string, unknown>>;
  readonly output: string;
  readonly from?: string;
  readonly isStatistics?: boolean;
}

/** Returns the stages for a set as the user wrote it: a folder, an npz, or FILE:STAGE. */
async function sideOf(role: string, given: string, options: Options, settings: CliSettings): Promise<Side> {
  const { extractor, weights, sha256, resize: mode, size, count } = options;
  const output = `scored-${role}`;
  // Both names mean the same features.
  const resize = mode === "torch-fidelity" ? "tensorflow" : mode;
  const pathOf = (file: string) => resolve(file).replaceAll("${", () => "$${");
  const path = weights === undefined ? {} : { path: pathOf(weights) };
  const features = (images: string) => ({
    [output]: { uses: "features", inputs: { images }, with: { extractor, ...path, sha256, resize } },
  });
  const [, file, stage, port] = /^(.+\.(?:ya?ml|[mc]?[jt]s)):(.+?)(\.[A-Za-z]\w*)?$/.exec(given) ?? [];
  if (file !== undefined) {
    const { pipeline, targets: [id, second] } = await loadForCommand(settings, { file, targets: [stage!] });
    if (second !== undefined) io.refuse(`${given} is several stages`, `name one, such as ${file}:${id}`);
    const types = Object.values(pipeline.stages.get(id!)!.kind.outputs).map(({ type }) => type);
    const [result, from] = [`${id}${port ?? ""}`, resolve(file)];
    const isStatistics = types.includes("statistics");
    if (isStatistics || types.includes("features")) return { stages: {}, output: result, from, isStatistics };
    return { stages: features(result), output, from };
  }
  // The directory of an npz is at its end.
  const arrays = readTail(resolve(given), 64 << 10) ?? "";
  if (arrays.includes("mu.npy") && !arrays.includes("arr_0.npy")) {
    const name = extractor === INCEPTION ? inceptionName(sha256) : extractor;
    const params = { path: pathOf(given), extractor: name, resize, count };
    return { stages: { [output]: { uses: "statistics", with: params } }, output, isStatistics: true };
  }
  const images = { uses: "images", with: { path: pathOf(given), size } };
  return { stages: { [`${output}-images`]: images, ...features(`${output}-images`) }, output };
}

/** Runs the pipeline and returns the record of the scores, or ends the command. */
async function run(pipeline: Pipeline, store: Store, json: boolean) {
  const { runPipeline } = await import("noiseline/engine");
  // Making the results of a pipeline may take days, and was not asked for.
  const review = ({ stages }: Plan) => {
    const missing = [...stages].flatMap(([id, { manifest }]) => id.startsWith("scored-") || manifest ? [] : [id]);
    const message = `no result, or none up to date, of ${missing.join(", ")}`;
    return missing.length > 0 ? [io.problem(message, "run the pipeline")] : [];
  };
  const reporter = json ? undefined : await openReporter(false);
  using ending = new DisposableStack();
  ending.defer(() => reporter?.close());
  const emit: Emit = (event) => {
    if (event.type === "run-finished") reporter?.emit({ ...event, earlier: [], file: pipeline.file, outputs: "" });
    // The last sets that were scored are no reason for anything.
    else if (event.type === "stage-started") reporter?.emit({ ...event, planned: { ...event.planned, reasons: [] } });
    else if (event.type === "stage-finished" && event.fix !== undefined) {
      reporter?.emit({ ...event, fix: fixInOptions(event.id, event.fix) });
    } else reporter?.emit(event);
  };
  using signals = io.listenForStop((reason) => emit({ type: "stopping", reason }));
  const cache = await openCacheFor({}, (diagnostic) => emit({ type: "warning", diagnostic }), signals.stop);
  const options = { ...signals, targets: ["scored-pair"], review, emit, versions: VERSIONS, ...definedOnly({ cache }) };
  const { status, stages } = io.valueOf(await runPipeline(pipeline, store, options), refuseInOptions);
  const failed = [...stages].filter(([, { state }]) => json && state === "failed").map(([id, { message, fix }]) => {
    return io.problem(`stage "${id}": ${message}`, fixInOptions(id, fix ?? "see its log below .noiseline/runs"));
  });
  if (status !== "done") throw new io.Exit(io.EXIT[status], failed);
  const { collectArtifacts } = await import("noiseline/report");
  const { metrics } = await collectArtifacts(artifactsOf("scored-pair", stages.get("scored-pair")!.manifest, store));
  return metrics[0]!.record;
}

/** Returns the scores as lines, with all that must agree before they are compared with others. */
function describe(given: Readonly<Record<string, string>>, record: Awaited<ReturnType<typeof run>>): string[] {
  const rows = record.metrics.map(({ name, value, deviation, count }) => {
    const shown = deviation === undefined ? [shortNumber(value), ""] : withDeviation(value, deviation);
    return [name, ...shown, `N ${count}`];
  });
  const { name, dimension, sha256, preprocessing } = record.features!;
  const prepared = JSON.stringify(preprocessing ?? {}).replaceAll(/[{}"]/g, "");
  const sets = Object.entries(given).map(([role, path]) => {
    const { count, height, width } = record.images[role] ?? {};
    const said = count === undefined ? "mu and sigma" : `${countOf(count, "image")}, ${height}x${width}`;
    return [role, `${path}: ${said}`];
  });
  const noted = Map.groupBy(record.metrics, ({ note = "" }) => note);
  const notes = [...noted].flatMap(([note, [first]]) => note === "" ? [] : [[first!.name, note]]);
  const features = [`${name}, ${dimension} an image`, prepared, sha256 && `SHA-256 ${sha256}`].filter(Boolean);
  return [...io.formatTable(rows), ...io.formatTable([["features", features.join(", ")], ...sets, ...notes])];
}
