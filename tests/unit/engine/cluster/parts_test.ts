import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { groupIntoJobs, type StageToSubmit } from "../../../../engine/cluster/parts.ts";
import type { Part } from "../../../../schemas/cluster_records.ts";

const ONE = { cpus: 1, gpus: 0, options: [] };
const MANY = { ...ONE, cpus: 8 };

function task(
  line: number,
  entry: string,
  before: readonly number[] = [],
  more: Partial<StageToSubmit> = {},
): StageToSubmit {
  return { id: `${line}`, entry, recipeKey: `r${line}`, needs: ONE, before: before.map(String), jobs: [], ...more };
}

/** Divides stages into parts, with the numbers of the stages, which are their ids here. */
function divide(...args: Parameters<typeof groupIntoJobs>): Part[] {
  return groupIntoJobs(...args).map(({ stages, ...part }) => ({ lines: stages.map(Number), ...part }));
}

/** Returns the lines of this submission and the jobs, by name, that the queue would make each line wait for. */
function waitsOf(parts: readonly Part[]): Map<number, Set<string>> {
  const waits = new Map<number, Set<string>>();
  parts.forEach(({ lines, children, after }, index) => {
    lines.forEach((line, i) => {
      const own = new Set<string>();
      for (const entry of after) {
        const [on, child] = entry.replace("*", `${children?.[i]}`).split("_") as [string, string?];
        const part = on.startsWith("p") ? parts[Number(on.slice(1))] : undefined;
        assertEquals(part === undefined || Number(on.slice(1)) < index, true);
        if (part === undefined) own.add(`job ${entry.replace("*", `${children?.[i]}`)}`);
        else if (child === undefined) part.lines.forEach((line) => own.add(`${line}`));
        else own.add(`${part.lines[part.children!.indexOf(Number(child))]!}`);
      }
      waits.set(line, own);
    });
  });
  return waits;
}

Deno.test("a single stage is a single job, after those that it reads", () => {
  const parts = divide([task(0, "digits"), task(1, "train", [0]), task(2, "sample", [1, 0])], 1001);
  assertEquals(parts, [
    { lines: [0], children: null, needs: ONE, after: [] },
    { lines: [1], children: null, needs: ONE, after: ["p0"] },
    { lines: [2], children: null, needs: ONE, after: ["p1", "p0"] },
  ]);
});

Deno.test("a sweep is an array; what follows each child is one of which child i waits for child i; what gathers waits for all", () => {
  const trains = [1, 2, 3].map((line) => task(line, "train", [0]));
  const samples = [4, 5, 6].map((line) => task(line, "sample", [line - 3]));
  const parts = divide(
    [task(0, "digits"), ...trains, ...samples, task(7, "best", [4, 5, 6]), task(8, "show", [5])],
    1001,
  );
  assertEquals(parts.slice(1).map(({ needs: _needs, ...rest }) => rest), [
    { lines: [1, 2, 3], children: [0, 1, 2], after: ["p0"] },
    { lines: [4, 5, 6], children: [0, 1, 2], after: ["p1_*"] },
    { lines: [7], children: null, after: ["p2"] },
    { lines: [8], children: null, after: ["p2_1"] },
  ]);
});

Deno.test("children with other needs, or whose upstream is done already, are jobs of their own", () => {
  const trains = [0, 1, 2].map((line) => task(line, "train", [], line === 2 ? { needs: MANY } : {}));
  const samples = [3, 4, 5, 6].map((line) => task(line, "sample", line === 6 ? [] : [line - 3]));
  const parts = divide([...trains, ...samples], 1001);
  assertEquals(parts.map(({ lines }) => lines), [[0, 1], [2], [6], [3, 4], [5]]);
});

Deno.test("seeds of each sampling are dealt into as few arrays as there are", () => {
  const trains = [0, 1].map((line) => task(line, "train"));
  // Five samples for each of two trainings: an array for each training. Two samples for each of five would be two
  // arrays.
  const samples = Array.from({ length: 10 }, (_, i) => task(2 + i, "sample", [i % 2]));
  assertEquals(
    divide([...trains, ...samples], 1001).map(({ after, lines }) => [after, lines.length]),
    [
      [[], 2],
      [["p0_0"], 5],
      [["p0_1"], 5],
    ],
  );
});

Deno.test("stages with one recipe are one job, that of the first", () => {
  const twins = [task(0, "a"), task(1, "b", [0]), task(2, "c", [], { recipeKey: "r1" }), task(3, "d", [2])];
  assertEquals(divide(twins, 1001).map(({ lines, after }) => [lines, after]), [[[0], []], [[1], ["p0"]], [[3], [
    "p1",
  ]]]);
});

Deno.test("what follows a twin waits for the first, however deep that is", () => {
  const chain = [task(0, "a"), task(1, "b", [0]), task(2, "c", [1])];
  const parts = divide([...chain, task(3, "twin", [], { recipeKey: "r2" }), task(4, "d", [3])], 1001);
  assertEquals(parts.map(({ lines, after }) => [lines, after]), [[[0], []], [[1], ["p0"]], [[2], ["p1"]], [[4], [
    "p2",
  ]]]);
});

Deno.test("children of a job that was queued before are waited for by their likes, and all of them by the job", () => {
  const samples = [0, 1].map((line) => task(line, "sample", [], { jobs: [`8_${line + 4}`] }));
  const parts = divide([...samples, task(2, "best", [], { jobs: ["8_4", "8_5", "9"] })], 1001, new Map([["8", 2]]));
  assertEquals(parts.map(({ children, after }) => [children, after]), [[[4, 5], ["8_*"]], [null, ["8", "9"]]]);
});

/**
 * Graphs of entries with a few stages each, which read stages of earlier entries, one by one or each its counterpart.
 */
const graphs = fc.array(
  fc.record({
    size: fc.integer({ min: 1, max: 7 }),
    reads: fc.array(fc.record({ entry: fc.nat(5), how: fc.constantFrom("like", "all", "some", "one") }), {
      maxLength: 3,
    }),
    salt: fc.nat(),
  }),
  { minLength: 1, maxLength: 6 },
).map((entries) => {
  const tasks: StageToSubmit[] = [];
  const lines: number[][] = [];
  entries.forEach(({ size, reads, salt }, entry) => {
    const own = Array.from({ length: size }, (_, i) => tasks.length + i);
    for (const [i, line] of own.entries()) {
      const before = new Set<number>();
      const jobs = new Set<string>();
      for (const read of reads) {
        const from = lines[read.entry];
        // A missing entry stands for jobs of an earlier submission: an array of four.
        if (from === undefined) jobs.add(read.how === "one" ? "7" : `8_${(i * 3 + salt) % 4}`);
        else if (read.how === "like") before.add(from[i % from.length]!);
        else if (read.how === "one") before.add(from[salt % from.length]!);
        else from.filter((_, k) => read.how === "all" || (k + i + salt) % 3 > 0).forEach((one) => before.add(one));
      }
      // Some stages share a recipe with another stage of their entry that reads the same.
      const twin = salt % 5 === 0 && i > 0 && reads.length === 0 ? own[0]! : line;
      const needs = (salt + i) % 4 === 0 ? MANY : ONE;
      tasks.push(task(line, `e${entry}`, [...before], { recipeKey: `r${twin}`, needs, jobs: [...jobs] }));
    }
    lines.push(own);
  });
  return tasks;
});

Deno.test("whatever the graph: each recipe is computed once, after exactly what its stage waits for", () => {
  fc.assert(
    fc.property(graphs, fc.integer({ min: 0, max: 5 }), (tasks, maxArray) => {
      const parts = divide(tasks, maxArray, new Map([["8", 4]]));
      const first = new Map(tasks.toReversed().map(({ recipeKey, id }) => [recipeKey, Number(id)]));
      const lineOf = (line: number) => first.get(tasks[line]!.recipeKey)!;
      assertEquals(
        parts.flatMap(({ lines }) => lines).sort((a, b) => a - b),
        [...first.values()].sort((a, b) => a - b),
      );
      for (const { lines, children, needs } of parts) {
        assertEquals(new Set(lines.map((line) => tasks[line]!.entry)).size, 1);
        for (const line of lines) assertEquals(tasks[line]!.needs, needs);
        if (children === null) assertEquals(lines.length, 1);
        else {
          assertEquals([children.length, new Set(children).size], [lines.length, lines.length]);
          assertEquals(children.every((child) => child < Math.max(maxArray, 1)), true);
        }
      }
      // If each line waits for an exact set, a failing stage stops exactly the stages that follow it.
      for (const [line, waits] of waitsOf(parts)) {
        const wanted = new Set([
          ...tasks[line]!.before.map((one) => `${lineOf(Number(one))}`),
          ...tasks[line]!.jobs.map((job) => `job ${job}`),
        ]);
        const array = [0, 1, 2, 3].map((child) => `job 8_${child}`);
        if (array.every((job) => wanted.has(job))) {
          array.forEach((job) => wanted.delete(job));
          wanted.add("job 8");
        }
        assertEquals(waits, wanted);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("10,000 children and what follows each come to as many arrays as the queue's limit makes of them", () => {
  const trains = Array.from({ length: 10_000 }, (_, i) => task(i, "train"));
  const samples = Array.from({ length: 10_000 }, (_, i) => task(10_000 + i, "sample", [i]));
  const parts = divide([...trains, ...samples, task(20_000, "best", samples.map(({ id }) => Number(id)))], 1001);
  assertEquals(parts.length, 21);
  assertEquals(parts.at(-1)!.after, Array.from({ length: 10 }, (_, i) => `p${10 + i}`));
});
