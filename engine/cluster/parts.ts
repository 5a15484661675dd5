import { arrayOf } from "./submission_state.ts";
import type { JobNeeds } from "./queue.ts";
import type { PartRequest } from "./submission.ts";

/** A stage that is to be computed. */
export interface StageToSubmit {
  readonly id: string;
  /** Stages of one entry of the file, such as the children of a matrix, may become an array. */
  readonly entry: string;
  readonly recipeKey: string;
  readonly needs: JobNeeds;
  /** Ids of the tasks that must be done before this one. */
  readonly before: readonly string[];
  /** Jobs of earlier submissions that must be done before this task: `8`, or `8_3` for a child. */
  readonly jobs: readonly string[];
}

/**
 * Divides tasks into jobs and arrays of jobs, each after those that it waits for. No job waits for more than its stages
 * do, so a failure stops nothing else. Stages with the same recipe have the same result: only the first is computed.
 *
 * @param tasks in dependency order
 * @param maxArray the bound that numbers of children stay below
 * @param sizes the number of children of each earlier array, by id
 */
export function groupIntoJobs(
  tasks: readonly StageToSubmit[],
  maxArray: number,
  sizes: ReadonlyMap<string, number> = new Map(),
) {
  const first = new Map<string, StageToSubmit>();
  const depths = new Map<string, number>();
  for (const task of tasks) {
    const depth = task.before.reduce((most, one) => Math.max(most, 1 + depths.get(one)!), 0);
    // A task that follows a stage with the same recipe follows the first of these.
    depths.set(task.id, depths.get(first.getOrInsert(task.recipeKey, task).id) ?? depth);
  }

  const parts: PartRequest[] = [];
  const places = new Map<string, string>();
  const recipes = new Map(tasks.map(({ id, recipeKey }) => [id, recipeKey]));
  const known = new Map(sizes);
  const placesOf = ({ before, jobs }: StageToSubmit) => [
    ...new Set([...before.map((one) => places.get(recipes.get(one)!)!), ...jobs]),
  ];
  // Children of the same pattern have the same depth, by induction over what they wait for.
  const levels = Map.groupBy(first.values(), ({ id }) => depths.get(id)!);
  for (let depth = 0; depth < levels.size; depth++) {
    for (
      const alike of Map.groupBy(levels.get(depth)!, ({ entry, needs }) => JSON.stringify([entry, needs])).values()
    ) {
      const waiting = alike.map((task) => waitingOf(task, placesOf(task), known, maxArray));
      for (const { tasks, children, after } of divisionsOf(waiting, maxArray)) {
        const on = `p${parts.length}`;
        tasks.forEach(({ recipeKey }, i) => places.set(recipeKey, children === null ? on : `${on}_${children[i]}`));
        if (children !== null) known.set(on, children.length);
        parts.push({ stages: tasks.map(({ id }) => id), children, needs: tasks[0]!.needs, after });
      }
    }
  }
  return parts;
}

/**
 * Returns a task with what it waits for, each once: parts (`p3`) and earlier jobs (`8`), or children of these (`p3_4`,
 * `8_4`). If every single child that it waits for has the same number k, returns k as `child` and writes each as
 * `p3_*`: tasks that differ in k alone have equal lists then, and can form one array.
 */
function waitingOf(task: StageToSubmit, all: readonly string[], sizes: ReadonlyMap<string, number>, maxArray: number) {
  // A task that waits for all children waits for the array.
  const byArray = Map.groupBy(all, arrayOf).entries().map(([on, ones]) => ones.length === sizes.get(on) ? [on] : ones)
    .toArray();
  const after = byArray.flat();
  const single = new Set(byArray.filter(({ length }) => length === 1).flat().filter((one) => one.includes("_")));
  const [child, another] = new Set(Array.from(single, (one) => Number(one.split("_")[1])));
  if (child === undefined || child >= maxArray || another !== undefined) return { task, after, child: undefined };
  return { task, after: after.map((one) => single.has(one) ? `${arrayOf(one)}_*` : one), child };
}

/** Divides stages that may become arrays, by what they wait for, into jobs and arrays of jobs. */
function* divisionsOf(all: readonly ReturnType<typeof waitingOf>[], maxArray: number) {
  const size = Math.max(1, maxArray);
  for (const alike of Map.groupBy(all, ({ after }) => JSON.stringify(after)).values()) {
    const byChild = Map.groupBy(alike, ({ child }) => child).values().toArray();
    const most = byChild.reduce((most, ones) => Math.max(most, ones.length), 0);
    // Two layouts, whichever has fewer arrays: array i has the i-th follower of every child, or the followers of each
    // child have an array of their own.
    const isRow = byChild.length > 1 && most <= byChild.length;
    const rows = Array.from({ length: most }, (_, i) => byChild.flatMap((ones) => ones[i] ?? []));
    for (const row of isRow ? rows : byChild) {
      const { child, after } = row[0]!;
      const tasks = row.map(({ task }) => task);
      if (isRow && row.length > 1) {
        yield { tasks, children: row.map(({ child }) => child!), after };
        continue;
      }
      const own = after.map((one) => one.replace("*", String(child)));
      for (let from = 0; from < tasks.length; from += size) {
        const some = tasks.slice(from, from + size);
        yield { tasks: some, children: some.length === 1 ? null : [...some.keys()], after: own };
      }
    }
  }
}
