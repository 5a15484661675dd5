import type { DocumentPath } from "../../diagnostic/document.ts";
import { suggestName } from "../../../std/did_you_mean.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import type { Kind } from "../../keys/stage.ts";
import { asMap, type Budget, type Entries, isRecord, MAX_STAGES } from "../source/tree.ts";
import {
  childSuffix,
  type Combination,
  compareCombinations,
  indexBy,
  join,
  labelled,
  parseMatrix,
  project,
  sharedAxes,
  valueOf,
} from "./axes.ts";
import { fillMatrix, type Interpolation, matrixAxesIn, matrixPartsIn, withoutExtent } from "./interpolate.ts";
import { topologicalOrder } from "./order.ts";
import { inputsOf, mapReferences, parseReference, type ReferenceText, textsAt } from "./reference.ts";

/** The facts about a kind that expanding needs. */
export type KindFacts = Pick<Kind, "inputs" | "seeded" | "roles">;

/** Returns all kinds that a stage may have, since the matrix may choose the kind; undefined for an unknown kind. */
export type KindsOf = (stage: string) => readonly (KindFacts | undefined)[];

type Expansion = ReturnType<Expander["expand"]>;

/**
 * Turns a seed of the pipeline that differs from child to child into the seed of each stage that draws random numbers,
 * so that the other stages are not split.
 */
function moveSeedToStages(root: Entries, kindsOf: KindsOf): Entries {
  if (matrixAxesIn(root["seed"]).size === 0) return root;
  const { seed, ...others } = root;
  const stages = Object.entries(asMap(root["stages"])).map(([id, entry]) => [
    id,
    isRecord(entry) && entry["seed"] === undefined && kindsOf(id).some((kind) => kind?.seeded)
      ? { ...entry, seed }
      : entry,
  ]);
  return { ...others, stages: Object.fromEntries(stages) };
}

/** True if a pipeline has a matrix or a search. */
export function usesExpansion(root: unknown): boolean {
  const parts = [root, ...Object.values(asMap(asMap(root)["stages"]))].map(asMap);
  return parts.some((one) => Object.hasOwn(one, "matrix") || Object.hasOwn(one, "search")) ||
    matrixPartsIn(root).length > 0;
}

/**
 * Replaces each stage that has a matrix by its children. A stage that reads a stage with children gets children over
 * the same axes, unless the port takes a list and gathers them; axes of the same name are matched.
 * @param kindsOf undefined if there is nothing to expand
 */
export function expandMatrices(
  root: unknown,
  kindsOf: KindsOf | undefined,
  { problems, budget }: { readonly problems: Problems; readonly budget: Budget },
): Expansion {
  if (kindsOf === undefined || !isRecord(root) || !isRecord(root["stages"])) {
    return { value: root, families: new Map(), interpolations: [], unresolved: [] };
  }
  const spread = moveSeedToStages(root, kindsOf);
  return new Expander(spread, spread["stages"] as Entries, kindsOf, problems, budget).expand();
}

class Expander {
  readonly #interpolations: Interpolation[] = [];
  readonly #unresolved: DocumentPath[] = [];
  /** Stages that are reported elsewhere, or could not be expanded: problems that follow from that are not reported. */
  readonly #skipped = new Set<string>();
  /** Children by stage; a stage without a matrix has one child, without axes. */
  readonly #combinations = new Map<string, readonly Combination[]>();
  readonly #finders = new Map<string, (like: Combination) => readonly Combination[]>();

  constructor(
    private readonly root: Entries,
    private readonly stages: Entries,
    private readonly kindsOf: KindsOf,
    private readonly problems: Problems,
    private readonly budget: Budget,
  ) {}

  expand() {
    const before = this.problems.count;
    const shared = this.#parse(this.root["matrix"], ["matrix"]);
    this.#checkPlaces();
    const edges = new Map(Object.keys(this.stages).map((id) => [id, this.#references(id).map(({ stage }) => stage)]));
    const { order, rest } = topologicalOrder(edges);
    const leaveAsWritten = (id: string) => {
      this.#combinations.set(id, [{}]);
      this.#skipped.add(id);
    };
    for (const id of order) this.#combinations.set(id, this.#combine(id, shared));
    // A cycle is reported when stages are bound.
    for (const id of rest) leaveAsWritten(id);
    const total = [...this.#combinations.values()].reduce((sum, { length }) => sum + length, 0);
    if (total > MAX_STAGES) {
      const details = { got: `${total}`, wanted: `at most ${MAX_STAGES}` };
      this.problems.add(["stages"], "the matrices of the pipeline make too many stages", "name fewer values", details);
      for (const id of this.#combinations.keys()) leaveAsWritten(id);
    }

    const used = new Set([...this.#combinations.values()].flatMap((all) => Object.keys(all[0]!)));
    for (const axis of this.problems.count > before ? [] : Object.keys(shared[0]!).filter((one) => !used.has(one))) {
      const fix = `write \${matrix.${axis}} where its values belong, or remove it`;
      this.problems.add(["matrix", axis], `matrix.${axis} makes no difference to any stage`, fix, {
        severity: "warning",
      });
    }

    const children: { readonly id: string; readonly child: string; readonly made: unknown }[] = [];
    for (const [id, entry] of Object.entries(this.stages)) {
      for (const combination of this.#combinations.get(id)!) {
        const child = `${id}${childSuffix(combination)}`;
        if (child !== id && Object.hasOwn(this.stages, child)) {
          const message = `"${child}" is the id of a child of the matrix of "${id}"`;
          this.problems.add(["stages", child], message, "rename the stage");
        }
        if (this.budget.spent) break;
        const made = this.#child(id, child, entry, combination);
        children.push({ id, child, made });
        const refused = child === id ? undefined : this.budget.take(made);
        if (refused !== undefined) {
          this.problems.add(["stages", id], refused, "name fewer values, or gather fewer children");
        }
      }
    }
    const { matrix: _, ...others } = this.root;
    const families = Map.groupBy(children.filter(({ id, child }) => child !== id), ({ id }) => id);
    return {
      value: { ...others, stages: Object.fromEntries(children.map(({ child, made }) => [child, made])) } as unknown,
      /** Children of a matrix, by the id that the file gives to their stage. */
      families: new Map([...families].map(([id, family]) => [id, family.map(({ child }) => child)])),
      interpolations: this.#interpolations,
      /** Paths without a value, in stages that could not be expanded. */
      unresolved: this.#unresolved,
    };
  }

  /** Reports axis values where no child gives one: outside of stages, and in a reference, except as its extent. */
  #checkPlaces(): void {
    const message = "cannot resolve ${matrix.…} here: each child has a value of its own";
    for (const key of ["name", "description"]) {
      if (matrixAxesIn(this.root[key]).size > 0) this.problems.add([key], message, "write it out");
    }
    for (const [id, entry] of Object.entries(this.stages)) {
      for (const [port, written] of Object.entries(inputsOf(entry))) {
        const texts = [written].flat().map((text) => typeof text === "string" ? withoutExtent(text) : text);
        if (matrixAxesIn(texts).size === 0) continue;
        const fix = "name the stage; children over the same axes go together";
        this.problems.add(["stages", id, "inputs", port], message, fix);
        this.#skipped.add(id);
      }
    }
  }

  #parse(written: unknown, at: DocumentPath): readonly Combination[] {
    const parsed = written === undefined ? [{}] : parseMatrix(written, at, this.problems);
    if (parsed !== undefined) return parsed;
    for (const id of at.length > 1 ? [String(at[1])] : Object.keys(this.stages)) this.#skipped.add(id);
    return [{}];
  }

  /** Returns the references of a stage, whether the stages that they name exist or not. */
  #references(id: string) {
    const texts = Object.entries(inputsOf(this.stages[id])).flatMap(([port, written]) =>
      textsAt(written, ["stages", id, "inputs", port], port)
    );
    return texts.flatMap((one) => {
      const { text, at: path } = one;
      const reference = typeof text === "string" ? parseReference(withoutExtent(text)) : undefined;
      return reference === undefined ? [] : [{ ...reference, text: String(text), list: this.#gathers(id, one), path }];
    });
  }

  /** True if a port takes a list, as the kinds that the stage may have say; if these differ, if one is written. */
  #gathers(id: string, { port, listed }: ReferenceText): boolean {
    if (port === undefined) return true;
    const answers = new Set(
      this.kindsOf(id).map((kind) =>
        kind !== undefined && Object.hasOwn(kind.inputs, port) ? kind.inputs[port]!.list === true : undefined
      ),
    );
    return (answers.size === 1 ? [...answers][0] : undefined) ?? listed;
  }

  /** Combines the children of a stage from its own matrix, the pipeline's axes that it names, and what it reads. */
  #combine(id: string, shared: readonly Combination[]): readonly Combination[] {
    const entry = this.stages[id];
    const at = ["stages", id, "matrix"];
    const own = this.#parse(asMap(entry)["matrix"], at);
    const fail = (path: DocumentPath, message: string, fix: string): readonly Combination[] => {
      this.problems.add(path, message, fix);
      this.#skipped.add(id);
      return [{}];
    };
    const tooMany = () => fail(["stages", id], `stage "${id}" has too many combinations`, "name fewer values");
    // Axes of the pipeline that the stage names, or for which it has its own values.
    const named = new Set([...matrixAxesIn(entry), ...Object.keys(own[0]!)]);
    let combinations = join(own, project(shared, named));
    if (combinations === undefined) return tooMany();
    if (combinations.length === 0) {
      const message = `the matrix of stage "${id}" has no value in common with that of the pipeline`;
      return fail(at, message, "name the same values");
    }
    for (const { stage, select, list, path, text } of this.#references(id)) {
      const source = this.#combinations.get(stage);
      if (source === undefined) continue;
      const chosen = this.#choose(source, select, { path, text });
      if (chosen.length === 0) this.#skipped.add(id);
      if (list || chosen.length === 0) continue;
      // Axes whose values the reference names are not axes of the reader.
      const free = new Set(chosen.flatMap(Object.keys).filter((axis) => select?.[axis] === undefined));
      const lost = this.#lostValue(own, chosen, free);
      if (lost !== undefined) {
        const message = `stage "${stage}" has no child with ${lost.axis}=${lost.label}`;
        return fail([...at, lost.axis], message, "name values that it has");
      }
      const joined = join(combinations, project(chosen, free));
      if (joined === undefined) return tooMany();
      if (joined.length === 0) {
        const message = `stage "${id}" and "${stage}" share an axis and no value of it`;
        return fail(path, message, "name the same values in both");
      }
      combinations = joined;
    }
    // Axes of the pipeline meet again here, perhaps in combinations that the pipeline excludes.
    const find = indexBy(shared, sharedAxes(combinations, shared));
    const kept = combinations.filter((one) => find(one).length > 0);
    if (kept.length > 0) return kept;
    const message = `what stage "${id}" reads is never together in the pipeline's matrix`;
    return fail(["stages", id], message, "change its exclude");
  }

  /** Finds a value of a stage's own axis that the stage which it reads lacks, though that stage has the axis. */
  #lostValue(own: readonly Combination[], source: readonly Combination[], axes: ReadonlySet<string>) {
    for (const axis of Object.keys(own[0]!).filter((one) => axes.has(one))) {
      const labels = new Set(source.map((one) => valueOf(one, axis)?.label));
      const lost = own.find((one) => !labels.has(one[axis]!.label));
      if (lost !== undefined) return { axis, label: lost[axis]!.label };
    }
    return undefined;
  }

  #choose(
    source: readonly Combination[],
    select: Readonly<Record<string, string>> | undefined,
    { path, text }: { readonly path: DocumentPath; readonly text: string },
  ): readonly Combination[] {
    if (select === undefined) return source;
    const chosen = indexBy(source, Object.keys(select))(labelled(select));
    if (chosen.length > 0) return chosen;
    const axes = new Set(source.flatMap(Object.keys));
    for (const [axis, label] of Object.entries(select)) {
      if (!axes.has(axis)) {
        const fix = axes.size === 0 ? `write ${parseReference(text)!.stage}` : suggestName(axis, [...axes]);
        return this.problems.add(path, `"${text}": that stage has no axis "${axis}"`, fix) ?? [];
      }
      const labels = [...new Set(source.map((one) => valueOf(one, axis)?.label).filter((one) => one !== undefined))];
      if (!labels.includes(label)) {
        const message = `"${text}": axis "${axis}" has no value ${label}`;
        return this.problems.add(path, message, suggestName(label, labels)) ?? [];
      }
    }
    return this.problems.add(path, `"${text}": no such combination`, "name one that the matrix has") ?? [];
  }

  #child(id: string, child: string, entry: unknown, combination: Combination): unknown {
    if (!isRecord(entry)) return entry;
    const { matrix: _, ...rest } = entry;
    const filled = fillMatrix(rest, combination, ["stages", child]);
    this.#interpolations.push(...filled.interpolations);
    if (this.#skipped.has(id)) this.#unresolved.push(...filled.unknown.map(({ path }) => path));
    for (const { path, axis } of this.#skipped.has(id) ? [] : filled.unknown) {
      const [name, ...parts] = axis.split(".") as [string, ...string[]];
      const own = valueOf(combination, name);
      const known = Object.keys(own === undefined ? combination : asMap(own.value));
      const got = own && `${name}=${own.label}`;
      const why = own === undefined ? `stage "${id}" has no such axis` : `the value of ${name} has no such part`;
      const message = `cannot resolve \${matrix.${axis}}: ${why}`;
      const fix = own === undefined && known.length === 0
        ? "add matrix to the stage or to the pipeline"
        : suggestName(own === undefined ? name : parts[0]!, known);
      this.problems.add(["stages", id, ...path.slice(2)], message, fix, { code: "interpolation", got });
    }
    return mapReferences(filled.value as Entries, (one) => this.#bind(id, one, combination));
  }

  /** Returns the children of a stage that have the wanted values on the axes that the stage has. */
  #childrenFor(stage: string, source: readonly Combination[], wanted: Combination): readonly Combination[] {
    const axes = sharedAxes(source, [wanted]);
    const key = `${stage} ${axes.join(" ")}`;
    return this.#finders.getOrInsertComputed(key, () => indexBy(source, axes))(wanted);
  }

  /** Returns what a reference means in a combination's child: all children that it gathers, or the one that matches. */
  #bind(id: string, one: ReferenceText, combination: Combination): readonly unknown[] {
    const { text, at, port } = one;
    const reference = typeof text === "string" ? parseReference(text) : undefined;
    const source = reference && this.#combinations.get(reference.stage);
    if (source === undefined || source.every((each) => Object.keys(each).length === 0)) return [text];
    const { stage, select = {}, extent, port: output } = reference!;
    const isThere = Object.keys(select).every((axis) => valueOf(source[0]!, axis) !== undefined);
    const mine = isThere ? this.#childrenFor(stage, source, { ...combination, ...labelled(select) }) : [];
    if (mine.length === 0) {
      // If the reference stayed as it is, it would be looked up and reported once more.
      if (this.#skipped.has(id)) return [];
      const free = new Set(Object.keys(combination).filter((axis) => select[axis] === undefined));
      const own = childSuffix(project([combination], free)[0]!);
      const place = port === undefined ? ["needs"] : at.slice(0, 2);
      const message = `no child of "${stage}" goes with ${own}`;
      this.problems.add(["stages", id, ...place], message, "name values that it has");
      this.#skipped.add(id);
      return [];
    }
    const [step, end] = [extent === undefined ? "" : `@${extent}`, output === undefined ? "" : `.${output}`];
    const found = this.#gathers(id, one) ? mine.toSorted(compareCombinations) : mine.slice(0, 1);
    return found.map((each) => `${stage}${childSuffix(each)}${step}${end}`);
  }
}
