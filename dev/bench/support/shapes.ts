/** A graph of `count` tiny stages. Each writes its number below the text that it reads. */
export interface Shape {
  readonly name: string;
  readonly count: number;
  /** Returns the stage that a stage reads, if it reads one. */
  readonly before: (stage: number) => number | undefined;
}

export const SHAPES: Readonly<Record<string, (count: number) => Shape>> = {
  /** Chains of ten stages. */
  chains: (count) => ({ name: "chains", count, before: (stage) => stage % 10 === 0 ? undefined : stage - 1 }),
  /** All stages but the first read the first. */
  fan: (count) => ({ name: "fan", count, before: (stage) => stage === 0 ? undefined : 0 }),
};

/** Returns a pipeline of this shape, as YAML. */
export function pipelineOf({ name, count, before }: Shape): string {
  const lines = [`name: ${name}`, "stages:"];
  for (let i = 0; i < count; i++) {
    const from = before(i);
    lines.push(`  s${i}:`, "    uses: bench-stage");
    if (from !== undefined) lines.push(`    inputs: { from: s${from} }`);
    lines.push(`    with: { value: ${i} }`);
  }
  return `${lines.join("\n")}\n`;
}

/** Returns a sweep of `size` tiny stages, a multiple of a hundred, as YAML. */
export function sweepOf(size: number): string {
  const axis = (length: number) => `[${Array.from({ length }, (_, index) => index).join(", ")}]`;
  return `name: matrix
stages:
  s:
    uses: bench-stage
    matrix: { a: ${axis(100)}, b: ${axis(size / 100)} }
    with: { value: '\${matrix.a}', other: '\${matrix.b}' }
`;
}

/**
 * Returns a pipeline of `size` stages, a multiple of ten, as YAML: two fifths noise schedules and two fifths figures,
 * each as a sweep, and one fifth in chains of ten.
 */
export function mixOf(size: number): string {
  const axis = (length: number, of = (index: number) => index) => `[${Array.from({ length }, (_, i) => of(i))}]`;
  const half = size / 5;
  return `${pipelineOf(SHAPES["chains"]!(half))}  noise:
    uses: schedule
    matrix: { timesteps: ${axis(2, (i) => 1_000 + i)}, end: ${axis(half, (i) => 0.02 + i * 1e-6)} }
    with: { betas: ho/linear, timesteps: '\${matrix.timesteps}', linearEnd: '\${matrix.end}' }
  score:
    uses: bench-score
    matrix: { a: ${axis(half)}, b: [0, 0.5] }
    with: { value: '\${matrix.a}' }
`;
}

/** Returns the file that a stage writes. */
export const textOf = (stage: number): string => `out/s${stage}.txt`;

/** Returns the file that a stage reads; empty if it reads none. */
export function readBy({ before }: Shape, stage: number): string {
  const from = before(stage);
  return from === undefined ? "" : textOf(from);
}

/** Returns the shell command of one stage, for tools whose stages are commands. */
export function commandOf(shape: Shape, stage: number): string {
  const from = readBy(shape, stage);
  return from === "" ? `echo ${stage} > ${textOf(stage)}` : `(cat ${from}; echo ${stage}) > ${textOf(stage)}`;
}
