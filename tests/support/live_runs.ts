import type { LiveRun, LiveStage, Score } from "../../pages/live/model.ts";

/** Runs as a server receives them. */

const BEGAN_MS = Date.UTC(2026, 10, 25, 10, 15);

export function liveStage(id: string, more: Partial<LiveStage> = {}): LiveStage {
  return { id, kind: id, state: "run", reads: [], figures: {}, params: [], previews: [], ...more };
}

export function score(stage: string, value: number, deviation?: number): Score {
  return { stage, metric: "FD-classifier", value, deviation };
}

/** Returns a run that trains: one stage is done, one at work, others wait. */
export function liveRun(more: Partial<LiveRun> = {}): LiveRun {
  const param = (path: string, value: unknown) => ({ path, value, origin: ["digits.yaml:12:7"] });
  return {
    runId: "20261125T101500000-1a2b",
    pipeline: "digits",
    file: "pipelines/digits.yaml",
    state: "running",
    startedMs: BEGAN_MS,
    host: "ada",
    overrides: [],
    tags: [],
    stages: [
      liveStage("data", { kind: "source", state: "ran", startedMs: BEGAN_MS + 200, durationMs: 4_100 }),
      liveStage("schedule", { state: "cached" }),
      liveStage("train", {
        state: "running",
        reads: ["data", "schedule"],
        startedMs: BEGAN_MS + 9_000,
        durationMs: 61_000,
        progress: { done: 1_200, total: 3_000, unit: "step" },
        etaMs: 92_000,
        numerics: "onnx",
        figures: { loss: { last: 0.0612, lowest: 0.0541, at: 1_110 } },
        params: [param("with.batchSize", 64), param("with.learningRate", 0.001)],
        previews: [250, 500, 750, 1_000],
      }),
      liveStage("sample", { reads: ["train"], params: [param("with.count", 256)] }),
      liveStage("classifier", {
        kind: "classify",
        reads: ["data"],
        state: "ran",
        startedMs: BEGAN_MS + 4_400,
        durationMs: 20_000,
      }),
      liveStage("evaluate", { reads: ["sample", "classifier"] }),
    ],
    scores: [],
    ...more,
  };
}

/** Returns a loss curve that falls and is noisy, and is the same each time. */
export function curve(title: string, count: number, from: number = 1) {
  const rows = Array.from({ length: count }, (_, i) => {
    const [step, wave] = [from + i, Math.abs(Math.sin((from + i) * 12.9898) * 43_758.5453) % 1];
    return {
      step,
      loss: 0.9 / (1 + step / 20) + 0.03 + 0.03 * wave,
      gradNorm: 0.3 + 0.4 * wave,
      learningRate: 1e-3 * Math.min(1, step / 100),
    };
  });
  return { title, rows };
}

/** Returns runs of three pipelines, with all possible states among them. */
export function manyRuns(count: number): LiveRun[] {
  const states = ["running", "done", "failed", "interrupted", "killed"] as const;
  return Array.from({ length: count }, (_, i): LiveRun => {
    const state = i === 0 ? "running" : states[1 + (i % 7 === 0 ? 1 + i % 3 : 0)]!;
    const startedMs = BEGAN_MS - i * 3_700_000;
    const pipeline = ["digits", "emoji", "ablation-schedules"][i % 3]!;
    const base = liveRun();
    const learningRate = [0.001, 0.0003, 0.003][Math.floor(i / 3) % 3]!;
    const stages = base.stages.map((stage, k): LiveStage => ({
      ...stage,
      state: state === "running" ? stage.state : k < 2 || state === "done" ? "ran" : k === 2 ? state : "blocked",
      params: stage.params.map((one) => one.path === "with.learningRate" ? { ...one, value: learningRate } : one),
      figures: k === 2
        ? { loss: { last: 0.05 + 0.001 * (i % 40), lowest: 0.04 + 0.001 * (i % 40), at: 2_900 - i } }
        : {},
    }));
    return {
      ...base,
      runId: `20261125T1015${String(i).padStart(5, "0")}-1a2b`,
      pipeline,
      state,
      startedMs,
      endedMs: state === "running" || state === "killed" ? undefined : startedMs + 171_000 + 1_000 * i,
      tags: i === 4 ? ["best"] : [],
      cluster: i % 11 === 5 ? "slurm" : undefined,
      stages,
      scores: state === "done" ? [score("evaluate", 3 + (i % 13) / 10, 0.2)] : [],
    };
  });
}
