import type { OutputPorts, Share } from "../contract/stage.ts";
import { sha256Of } from "../store/reading.ts";
import { type Program, programOf, runsOwnCodeOnly } from "./program.ts";
import { type Binding, readsOf, type Stage } from "./stage.ts";

/** The facts about an action that forecasts need, as the kind of its stage states them. */
interface Work
  extends Pick<Stage, "likeness" | "workGflop" | "workShape" | "probe" | "notes" | "memoryBytes" | "batchMemory"> {
  /** The fraction of the stage's units of work that this action does: 1/n for a shard. */
  readonly fraction: number;
  /** How long it takes where nothing like it has run, if that is always about the same. */
  readonly usual?: { readonly durationMs: number; readonly basis: string };
}

/** A unit of work that a plan makes of a stage. The last action of a stage makes the stage's result and has its id. */
export interface Action {
  /** Computes a stage or one shard of it, or joins what the shards of a stage have computed to its result. */
  readonly do: "compute" | "join";
  /** The id of the stage, or of one of its shards: `sample~1of4`, which no reference and no child of a matrix has. */
  readonly id: string;
  readonly stage: Stage;
  readonly program: Program;
  readonly work: Work;
  readonly outputs: OutputPorts;
  /** The name of the view that shows its result; undefined for a shard, whose result is of no use to people. */
  readonly view: string | undefined;
  /** The shard that it computes. */
  readonly share?: Share;
  /** The ids of the shards that it joins. In no key: the result is the same without shards. */
  readonly joins: readonly string[];
  /** How its stage is divided, as data: the number of shards that it joins, or which shard it is. */
  readonly division: { readonly shards?: number; readonly shard?: Share & { readonly whole: string } };
  /** False if its program runs user code: the executor then guards what the program reads, and the memory it takes. */
  readonly isTrusted: boolean;
}

/** The output of a shard. */
const PART = { part: { type: "files", description: "What a shard has computed" } } satisfies OutputPorts;

/** Joining starts a process, and reads and writes what fits into memory. */
const JOINING = { durationMs: 2_000, basis: "joining shards usually takes seconds" };

/** Returns the actions of stages, in the same order; shards come before the action that joins them. */
export function actionsOf(stages: Iterable<Stage>): Action[] {
  const programs = new Map<Stage["kind"], Program>();
  return Iterator.from(stages).flatMap((stage): Action[] => {
    const { id, shards: of = 1, likeness, workGflop, kind } = stage;
    const program = programs.getOrInsertComputed(kind, programOf);
    const base = { stage, program, isTrusted: runsOwnCodeOnly(program) };
    const whole = { ...base, id, outputs: kind.outputs, view: id };
    if (of === 1) return [{ do: "compute", ...whole, joins: [], division: {}, work: { ...stage, fraction: 1 } }];
    // Stages share their timings, and a part of one takes another time than the whole.
    const timingKey = (...part: readonly unknown[]) => sha256Of(JSON.stringify([likeness, ...part])).slice(0, 16);
    const work = { ...stage, likeness: timingKey(of), workGflop: workGflop && workGflop / of, fraction: 1 / of };
    const shards = Array.from({ length: of }, (_, index): Action => {
      const part = { id: `${id}~${index + 1}of${of}`, outputs: PART, view: undefined, share: { index, of } };
      const division = { shard: { index, of, whole: id } };
      return { do: "compute", ...base, joins: [], division, work, ...part };
    });
    const joins = shards.map((one) => one.id);
    // Joining is not the work of the stage's kind.
    const joining = { likeness: timingKey("joins"), workGflop: undefined, fraction: 1, usual: JOINING };
    return [...shards, { do: "join", ...whole, joins, division: { shards: of }, work: joining }];
  }).toArray();
}

/** Returns what an action is given of shards: what each has computed, in their order. */
export function partsOf({ joins }: Pick<Action, "joins">): Binding[] {
  return joins.map((one) => ({ stage: one, port: "part", ...PART.part }));
}

/** Returns the ids of the actions whose results an action is given, or that decide what it is. */
export function inputsOf({ stage, joins }: Pick<Action, "stage" | "joins">): string[] {
  return [...readsOf(stage), ...joins];
}

/**
 * Returns the next shorter action of the same entry for each action that has one, by id (`train@2000` -> `train@500`):
 * the shorter runs first, and the longer continues it.
 */
export function shorterOf(actions: Iterable<Pick<Action, "id" | "stage" | "share">>): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const withExtent = [...actions].filter(({ stage }) => stage.extent !== undefined);
  // A shard continues the same part of a shorter stage.
  const line = ({ stage: { entry }, share }: Pick<Action, "stage" | "share">) => `${entry} ${share?.index}`;
  for (const family of Map.groupBy(withExtent, line).values()) {
    family.sort((a, b) => a.stage.extent! - b.stage.extent!);
    for (let i = 1; i < family.length; i++) found.set(family[i]!.id, family[i - 1]!.id);
  }
  return found;
}

/** Returns the ids of the actions that each action waits for. */
export function waitsOf(actions: Iterable<Action>) {
  const all = [...actions];
  const shorter = shorterOf(all);
  return new Map(all.map((action) => {
    /** Without the results of these the action cannot begin. */
    const requires = [...inputsOf(action), ...action.stage.needs];
    const continues = shorter.get(action.id);
    return [action.id, { requires, continues, all: continues === undefined ? requires : [...requires, continues] }];
  }));
}
