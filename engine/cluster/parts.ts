import type { Part } from "../../schemas/cluster_records.ts";
import { arrayOf } from "./look.ts";
import type { JobNeeds } from "./queue.ts";

/** A stage that is to be computed. */
export interface Task {
  /** Its line in the submission. */
  readonly line: number;
  /** Stages of one entry of the file, such as the children of a matrix, may become an array. */
  readonly entry: string;
  readonly recipeKey: string;
  readonly needs: JobNeeds;
  /** Lines of the tasks that must be done before it. */
  readonly before: readonly number[];
  /** Jobs of earlier submissions that must be done before it: `8`, or `8_3` for a child. */
  readonly jobs: readonly string[];
}

/** A task and what it waits for, each once: parts (`p3`) and earlier jobs (`8`), or children of them (`p3_4`, `8_4`). */
interface Waiting {
  readonly task: Task;
  /** Besides the children below. */
  readonly places: readonly string[];
  /** Arrays of each of which it waits for one child, and the number of these children where it is the same. */
  readonly arrays: readonly string[];
  readonly child: number | undefined;
}

/** One job or array of jobs. */
interface Division extends Pick<Part, "children" | "after"> {
  readonly tasks: readonly Task[];
}

/**
 * Divide what is to be computed into jobs and arrays of jobs, each after those that it waits for. No job waits for more
 * than its stages do, so a failure stops nothing else. Stages with one recipe have one result: the first is computed.
 *
 * @param tasks in dependency order
 * @param maxArray numbers of children are below it
 * @param sizes how many children earlier arrays have, by id
 */
export function divide(
  tasks: readonly Task[],
  maxArray: number,
  sizes: ReadonlyMap<string, number> = new Map(),
): Part[] {
  const first = new Map<string, Task>();
  const depths = new Map<number, number>();
  for (const task of tasks) {
    const depth = task.before.reduce((most, one) => Math.max(most, 1 + depths.get(one)!), 0);
    // What follows a twin follows the first.
    depths.set(task.line, depths.get(first.getOrInsert(task.recipeKey, task).line) ?? depth);
  }

  const parts: Part[] = [];
  const places = new Map<string, string>();
  const recipes = new Map(tasks.map(({ line, recipeKey }) => [line, recipeKey]));
  const known = new Map(sizes);
  const placesOf = ({ before, jobs }: Task) => [
    ...new Set([...before.map((line) => places.get(recipes.get(line)!)!), ...jobs]),
  ];
  // Children of one pattern are equally deep, by induction over what they wait for.
  const levels = Map.groupBy(first.values(), ({ line }) => depths.get(line)!);
  for (let depth = 0; depth < levels.size; depth++) {
    for (
      const alike of Map.groupBy(levels.get(depth)!, ({ entry, needs }) => JSON.stringify([entry, needs])).values()
    ) {
      const waiting = alike.map((task) => waitingOf(task, placesOf(task), known, maxArray));
      for (const { tasks, children, after } of patternsOf(waiting, maxArray)) {
        const on = `p${parts.length}`;
        tasks.forEach(({ recipeKey }, i) => places.set(recipeKey, children === null ? on : `${on}_${children[i]}`));
        if (children !== null) known.set(on, children.length);
        parts.push({ lines: tasks.map(({ line }) => line), children, needs: tasks[0]!.needs, after });
      }
    }
  }
  return parts;
}

function waitingOf(task: Task, all: readonly string[], sizes: ReadonlyMap<string, number>, maxArray: number): Waiting {
  const byArray = Map.groupBy(all, arrayOf).entries().map(([on, ones]) =>
    // Where it waits for all children, it waits for the array.
    ones.length === sizes.get(on) ? [on] : ones
  ).toArray();
  const places = byArray.flat();
  const single = byArray.filter(([one, more]) => one!.includes("_") && more === undefined).flat();
  const [child, another] = new Set(single.map((one) => Number(one.split("_")[1])));
  const hasLike = child !== undefined && child < maxArray && another === undefined;
  if (!hasLike) return { task, places, arrays: [], child: undefined };
  return { task, places: places.filter((one) => !single.includes(one)), arrays: single.map(arrayOf), child };
}

/** Divide stages that may become arrays by what they wait for. */
function* patternsOf(all: readonly Waiting[], maxArray: number): Generator<Division> {
  const patterns = Map.groupBy(all, ({ places, arrays }) => JSON.stringify([places, arrays]));
  for (const alike of patterns.values()) {
    const { places, arrays } = alike[0]!;
    const byChild = Map.groupBy(alike, ({ child }) => child).values().toArray();
    const most = byChild.reduce((most, ones) => Math.max(most, ones.length), 0);
    // Child after child, in as many arrays as one child has followers; or each child's followers in an array of their own.
    if (arrays.length > 0 && byChild.length > 1 && most <= byChild.length) {
      for (let i = 0; i < most; i++) {
        const row = byChild.flatMap((ones) => ones[i] ?? []);
        if (row.length === 1) yield* chunksOf(row, maxArray);
        else {
          const after = [...places, ...arrays.map((on) => `${on}_*`)];
          yield { tasks: row.map(({ task }) => task), children: row.map(({ child }) => child!), after };
        }
      }
    } else for (const ones of byChild) yield* chunksOf(ones, maxArray);
  }
}

/** Arrays of stages that wait for the very same. */
function* chunksOf(alike: readonly Waiting[], maxArray: number): Generator<Division> {
  const { child, arrays, places } = alike[0]!;
  const after = [...places, ...arrays.map((on) => `${on}_${child}`)];
  const size = Math.max(1, maxArray);
  for (let from = 0; from < alike.length; from += size) {
    const tasks = alike.slice(from, from + size).map(({ task }) => task);
    yield { tasks, children: tasks.length === 1 ? null : [...tasks.keys()], after };
  }
}
