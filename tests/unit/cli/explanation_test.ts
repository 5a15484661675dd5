import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Cause, Explanation, LiveStage, PlannedAction } from "noiseline/engine";
import { formatLive, formatReasons, formatTotal } from "../../../cli/format/plan.ts";
import { causeLines, explanationLines } from "../../../cli/commands/why.ts";
import { testsAlone } from "../../support/own_process.ts";
import { timeIn } from "../../support/clock.ts";

/** Without colours, even if the tests run on a terminal. */
const test = testsAlone(import.meta.url);
const digest = (char: string) => char.repeat(64);
const renamed: Cause = {
  reason: { code: "param", name: "size", from: 16, to: 8, at: "p.yaml:4:9", origin: [] },
  origin: ["p.yaml:4:9", "${vars.size} = --set vars.size=8, overriding p.yaml:2:9"],
};

test("causeLines() puts what lies upstream below, and stages with the same cause together", () => {
  const upstream = (stage: string, causes: readonly Cause[]): Cause => ({
    reason: { code: "upstream", stage },
    upstream: [{ stage, state: "run", causes }],
  });
  const input: Cause = {
    reason: { code: "input", name: "images", stage: "digits", from: [digest("a")], to: [digest("b")] },
    origin: ["p.yaml:9:9"],
    upstream: [{ stage: "digits", state: "cached", causes: [renamed] }],
  };
  assertEquals(causeLines([upstream("a", [renamed]), input, upstream("b", [renamed])]), [
    "because of input images from digits: aaaaaaaaaaaa -> bbbbbbbbbbbb",
    "  from p.yaml:9:9",
    "  digits (cached)",
    "    because of param size: 16 -> 8",
    "      from p.yaml:4:9 <- ${vars.size} = --set vars.size=8, overriding p.yaml:2:9",
    "waits for a, b (run)",
    "  because of param size: 16 -> 8",
    "    from p.yaml:4:9 <- ${vars.size} = --set vars.size=8, overriding p.yaml:2:9",
  ]);
  const many = Array.from({ length: 30 }, (_, n): Cause => ({
    reason: { code: "param", name: `p${n}`, from: 0, to: n, at: "default", origin: ["default"] },
  }));
  assertEquals(causeLines(many).slice(-2), ["because of param p7: 0 -> 7", "… and 22 more"]);
});

test("causeLines() tells files and modules by what is known of them", () => {
  const external: Cause = {
    reason: { code: "external", name: "path", from: digest("a"), to: undefined },
    before: { digest: digest("a"), path: "/data/one", sizeBytes: 1_200_000 },
  };
  const code = { reason: { code: "code", from: "code:1", to: "code:2" } } as const;
  const known: Cause = { ...code, modules: { changed: ["a.ts", "../b.ts"], added: [], removed: ["c.ts"] } };
  assertEquals(causeLines([external, code, known]), [
    "because of external path: other content",
    "  was aaaaaaaaaaaa, 1.2 MB, /data/one",
    "  now nothing",
    "because of code: the stage's modules changed",
    "  unknown which ones: there is no record of the run that made the last result",
    "because of code: the stage's modules changed",
    "  changed: a.ts, ../b.ts",
    "  removed: c.ts",
  ]);
});

test("explanationLines() says what serves, and where a stage continues", () => {
  const planned = { state: "cached", stage: { extent: 9 } } as PlannedAction;
  const madeAt = new Date(timeIn({ seconds: -65 })).toISOString();
  const result = {
    resolvedKey: digest("c"),
    runId: "RUN",
    numerics: "onnx-cpu/1",
    device: "onnx",
    extent: 9,
    madeAt,
    host: "here",
    pipeline: "p",
    stage: "train",
    durationMs: 12_000,
  };
  const cached: Explanation = { id: "train", planned, causes: [], result };
  assertEquals(explanationLines(cached, false), [
    "nothing it depends on has changed",
    "served by result cccccccccccc, at 9",
    `  made ${madeAt.slice(0, 19).replace("T", " ")} UTC, 1m 05s ago, by run RUN on host here (p/train) in 12s`,
    "  computed on onnx-cpu/1 (device onnx)",
  ]);
  assertEquals(explanationLines(cached, true), ["nothing it depends on has changed"]);
  const states = [{ step: 5, sizeBytes: 324, savedAt: undefined }];
  const resumed: Explanation = {
    id: "train",
    planned: { ...planned, state: "resume", fromStep: 5 },
    causes: [],
    progress: { folder: "/store/progress/x", states },
  };
  assertEquals(explanationLines(resumed, false), [
    "continues at step 5 of 9: a run that has not finished saved it",
    "  saved: step 5 (324 B)",
    "  in /store/progress/x",
  ]);
});

test("formatTotal() says that it is a lower bound, what may come on top, and what nobody knows", () => {
  const total = { atLeastMs: 60_000, ifAllMs: 60_000, unknown: [] };
  assertEquals(formatTotal(total, 1), "at least about 1m 00s with 1 job");
  assertEquals(
    formatTotal({ ...total, ifAllMs: 90_000, unknown: ["a", "b"] }, 2),
    "at least about 1m 00s with 2 jobs, 1m 30s if every may-run stage runs; time unknown for a, b",
  );
  assertEquals(formatTotal({ ...total, atLeastMs: 0 }, 2), "at least about 1m 00s if every may-run stage runs");
  assertEquals(formatTotal({ atLeastMs: 0, ifAllMs: 0, unknown: ["a"] }, 2), "time unknown for a");
});

test("formatLive() says step, pace and the time that is left, as far as they are known", () => {
  const progress = { at: "", done: 1200, total: 5000, unit: "step", perSecond: 9.81, figures: {} };
  const live = { progress, etaMs: 387_000 } as LiveStage;
  assertEquals(formatLive(live), "step 1200 of 5000, 9.8/s, ETA 6m 27s");
  assertEquals(
    formatLive({ ...live, progress: { ...progress, perSecond: 412.3 } }),
    "step 1200 of 5000, 412/s, ETA 6m 27s",
  );
  assertEquals(
    formatLive({ progress: { ...progress, perSecond: null }, etaMs: undefined } as LiveStage),
    "step 1200 of 5000",
  );
  const started = { progress: undefined } as LiveStage;
  assertEquals([formatLive(started), formatLive(started, "running in pid 7")], ["", "running in pid 7"]);
  assertStringIncludes(formatLive(live, "running in pid 7"), "running in pid 7: step 1200");
});

test("formatReasons() names stages that are waited for together, and of many only some", () => {
  const waits = ["a", "b", "c", "d", "e"].map((stage) => ({ code: "upstream", stage }) as const);
  assertEquals(formatReasons([...waits.slice(0, 2), { code: "new" }]), "new; upstream: a, b");
  assertEquals(formatReasons(waits), "upstream: a, b, c, d, … (5 in all)");
  assertEquals(formatReasons([]), "");
});
