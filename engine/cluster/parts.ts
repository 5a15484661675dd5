import type { Part } from "../../schemas/cluster_records.ts";
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

/** Where a task is computed: a part (`p3`) or an earlier job (`8`), and in an array the child. */
interface Place {
  readonly on: string;
  readonly child?: number;
}

/** A task and what it waits for, each once. */
interface Waiting {
  readonly task: Task;
  /** Besides the children below. */
  readonly places: readonly Place[];
  /** Arrays of each of which it waits for one child, and the number of these children where it is the same. */
  readonly arrays: readonly string[];
  readonly child: number | undefined;
}

/** One job or array of jobs, before it has an index. */
interface Division {
  readonly tasks: readonly Task[];
  readonly children: readonly number[] | null;
  readonly places: readonly Place[];
  readonly arrays: readonly string[];
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
  for (const { line, recipeKey, before } of tasks) {
    const twin = first.get(recipeKey);
    const depth = before.reduce((most, one) => Math.max(most, 1 + depths.get(one)!), 0);
    depths.set(line, twin === undefined ? depth : depths.get(twin.line)!);
  }
  for (const task of tasks) if (!first.has(task.recipeKey)) first.set(task.recipeKey, task);

  const parts: Part[] = [];
  const places = new Map<string, Place>();
  const recipes = new Map(tasks.map(({ line, recipeKey }) => [line, recipeKey]));
  const known = new Map(sizes);
  const placesOf = ({ before, jobs }: Task): Place[] => [
    ...new Set(before.map((line) => places.get(recipes.get(line)!)!)),
    ...new Set(jobs).values().map(placeOf),
  ];
  // Children of one pattern are equally deep, by induction over what they wait for.
  for (const level of Map.groupBy(first.values(), ({ line }) => depths.get(line)!).entries().toArray().sort(byKey)) {
    for (const alike of Map.groupBy(level[1], ({ entry, needs }) => JSON.stringify([entry, needs])).values()) {
      const waiting = alike.map((task) => waitingOf(task, placesOf(task), known, maxArray));
      for (const { tasks, children, places: after, arrays } of patternsOf(waiting, maxArray)) {
        const on = `p${parts.length}`;
        const placeAt = (i: number): Place => children === null ? { on } : { on, child: children[i]! };
        tasks.forEach(({ recipeKey }, i) => places.set(recipeKey, placeAt(i)));
        if (children !== null) known.set(on, children.length);
        parts.push({
          lines: tasks.map(({ line }) => line),
          children: children && [...children],
          needs: { ...tasks[0]!.needs, options: [...tasks[0]!.needs.options] },
          after: [
            ...after.map(({ on, child }) => child === undefined ? on : `${on}_${child}`),
            ...arrays.map((on) => `${on}_*`),
          ],
        });
      }
    }
  }
  return parts;
}

function byKey([a]: readonly [number, unknown], [b]: readonly [number, unknown]): number {
  return a - b;
}

function placeOf(id: string): Place {
  const [on, child] = id.split("_");
  return child === undefined ? { on: on! } : { on: on!, child: Number(child) };
}

function waitingOf(task: Task, all: readonly Place[], sizes: ReadonlyMap<string, number>, maxArray: number): Waiting {
  const byArray = Map.groupBy(all, ({ on }) => on).entries().map(([on, ones]) =>
    // Where it waits for all children, it waits for the array.
    ones.length === sizes.get(on) ? [{ on }] : ones
  ).toArray();
  const single = byArray.filter((ones) => ones.length === 1 && ones[0]!.child !== undefined).flat();
  const child = single[0]?.child;
  const hasLike = child !== undefined && child < maxArray && single.every((one) => one.child === child);
  if (!hasLike) return { task, places: byArray.flat(), arrays: [], child: undefined };
  const places = byArray.flat().filter((one) => !single.includes(one));
  return { task, places, arrays: single.map(({ on }) => on), child };
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
        else yield { tasks: row.map(({ task }) => task), children: row.map(({ child }) => child!), places, arrays };
      }
    } else for (const ones of byChild) yield* chunksOf(ones, maxArray);
  }
}

/** Arrays of stages that wait for the very same. */
function* chunksOf(alike: readonly Waiting[], maxArray: number): Generator<Division> {
  const { child, arrays } = alike[0]!;
  const places = [...alike[0]!.places, ...arrays.map((on) => ({ on, child: child! }))];
  const size = Math.max(1, maxArray);
  for (let from = 0; from < alike.length; from += size) {
    const tasks = alike.slice(from, from + size).map(({ task }) => task);
    yield { tasks, children: tasks.length === 1 ? null : [...tasks.keys()], places, arrays: [] };
  }
}
