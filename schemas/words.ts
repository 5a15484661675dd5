/**
 * Words for params and values that diffusers, PyTorch Lightning and the like have, without their `_` and `-`; the name
 * here; and what to write, where another name alone does not say it, with an example in <> for the number that was
 * written.
 */
export const WORDS: readonly (readonly [word: RegExp, name: string, advice?: string])[] = [
  [/^(init(ial)?)?lr$/, "learningRate"],
  [/^((num|max)?(train)?)epochs?$/, "steps", "write steps, which is epochs x images / batchSize"],
  [/^((num|max|total)(train)?steps|iterations)$/, "steps"],
  [/^(perdevice)?(train|eval)batchsize$/, "batchSize"],
  [
    /^(gradientaccumulation(steps)?|accumulategradbatches)$/,
    "microBatches",
    "write microBatches, the number of parts; batchSize is the whole batch, all parts together",
  ],
  [/^(ema(max)?(decay|rate)|useema)$/, "ema", "write ema: { decay: <0.9999> }"],
  [/^(adam)?weightdecay$/, "adam", "write adam: { weightDecay: <0.01> }"],
  [/^adambeta1$/, "adam", "write adam: { beta1: <0.9> }"],
  [/^adambeta2$/, "adam", "write adam: { beta2: <0.999> }"],
  [/^(maxgradnorm|gradientclipval)$/, "gradClip"],
  [/^lrwarmup(steps)?$/, "warmupSteps"],
  [/^lrscheduler(type)?$/, "learningRateDecay", "write learningRateDecay: { shape: cosine, until: <the last step> }"],
  [/^(mixedprecision|(torch)?dtype|amp|use(fp|bf)16)$/, "precision", "write precision: bf16, or fp32"],
  [/^predictiontype$/, "objective", "write objective: eps (epsilon), x0 (sample) or v (v_prediction)"],
  [/^(ddpm)?(betaschedule|schedule)$/, "betas"],
  [/^((ddpm)?num(train)?|diffusion)(steps|timesteps)$/, "timesteps"],
  [/^(num)?inferencesteps$/, "sampler", "write sampler: { name: ddim, steps: <50> }"],
  [/^guidancescale$/, "guidance"],
  [/^(num(images|samples)|nsamples)$/, "count"],
  [/^(resolution|imagesize)$/, "size"],
  [/^randomflip$/, "flip"],
  [/^dataset(name|configname)?$/, "source"],
  [/^(traindatadir|datadir|dataroot)$/, "path"],
  // DVC, of a stage and of a command.
  [/^cmd$/, "uses", "write uses: command, and with: { run: [python3, train.py] }"],
  [/^deps$/, "inputs", "write inputs for what other stages make, and under with the sources and data of a command"],
  [/^outs$/, "with", "write with: { outputs: { samples: images } }, which only a command has"],
  [/^(params|config)$/, "with"],
  [/^cmd$/, "run", "write run: [python3, train.py]"],
  [/^deps$/, "sources", "write sources for its code, and data for files that it reads"],
  [/^outs$/, "outputs"],
  // Values.
  [/^(cuda|gpu|mps)(:\d+)?$/, "auto", "write auto, which takes a card that is set up; `deno task doctor` lists them"],
  [/^cpu$/, "onnx"],
  [/^(fp16|float16|half|16(mixed)?)$/, "bf16"],
  [/^(no|float32|32(true)?)$/, "fp32"],
  [/^(epsilon|noise)$/, "eps"],
  [/^(sample|xstart)$/, "x0"],
  [/^(vprediction|velocity)$/, "v"],
  [/^ddpm(scheduler)?$/, "ancestral"],
  [/^ddimscheduler$/, "ddim"],
  [/^dpmsolver(multistep)?(scheduler)?$/, "dpmpp-2m"],
  [
    /^[\w.]+\/[\w.]+$/,
    "parquet",
    "download the Parquet files of that Hugging Face data set, and write source: parquet and path: <their folder>",
  ],
];

/**
 * Returns the `fix` of an error about a word of another program, if one of the known names stands for it here.
 * @param value written for the word
 */
export function adviceFor(written: string, known: readonly string[], value?: unknown): string | undefined {
  const word = written.slice(0, 100).toLowerCase().replaceAll(/[_-]/g, "");
  const found = WORDS.find(([words, name]) => words.test(word) && known.includes(name));
  const advice = found?.[2]?.replace(/<([\d.]+)>/, (_, example) => typeof value === "number" ? `${value}` : example);
  return found && (advice ?? `did you mean "${found[1]}"?`);
}
