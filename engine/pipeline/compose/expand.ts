import type { Problem } from "../../diagnostic/diagnostic.ts";
import { suggestName } from "../../diagnostic/did_you_mean.ts";
import { findCycle, topologicalOrder } from "./order.ts";
import type { Interpolation, PlacedProblem } from "./interpolate.ts";
import { parseReference } from "./reference.ts";
import { isRecord } from "../source/tree.ts";
import { type Budget, MAX_STAGES } from "../source/budget.ts";
import type { DocumentPath } from "../../diagnostic/document.ts";
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
import { fillMatrix, matrixAxesIn, withoutExtent } from "./fill.ts";

/** Whether an input port of a stage takes a list; undefined where the kind or the port is not known. */
export type IsListPort = (stage: string, port: string) => boolean | undefined;

export interface Expansion {
  readonly value: unknown;
  /** Stages that came of a matrix, by the id that the file gives them. */
  readonly families: ReadonlyMap<string, readonly string[]>;
  readonly interpolations: readonly Interpolation[];
  readonly problems: readonly PlacedProblem[];
  /** Paths without a value in stages that could not be expanded. */
  readonly unresolved: readonly DocumentPath[];
}

type Entries = Readonly<Record<string, unknown>>;

/**
 * A seed of the pipeline that differs from child to child becomes the seed of each stage that draws random numbers, so
 * that the others stay one.
 */
export function spreadSeed(root: unknown, isSeeded: (stage: string) => boolean): unknown {
  if (!isRecord(root) || matrixAxesIn(root["seed"]).size === 0) return root;
  const { seed, ...others } = root;
  const stages = Object.entries(isRecord(root["stages"]) ? root["stages"] : {}).map(([id, entry]) => [
    id,
    isRecord(entry) && entry["seed"] === undefined && isSeeded(id) ? { ...entry, seed } : entry,
  ]);
  return { ...others, stages: Object.fromEntries(stages) };
}

export function hasMatrix(root: unknown): boolean {
  if (!isRecord(root)) return false;
  if (root["matrix"] !== undefined) return true;
  const stages = root["stages"];
  return isRecord(stages) && Object.values(stages).some((entry) => isRecord(entry) && entry["matrix"] !== undefined);
}

/**
 * Put the children of every matrix in the place of its stage. A stage that reads a stage with children gets children
 * over the same axes, unless the port takes a list and gathers them; axes of the same name go together.
 */
export function expandMatrices(root: unknown, isListPort: IsListPort, budget: Budget): Expansion {
  if (!isRecord(root) || !isRecord(root["stages"])) return none(root);
  return new Expander(root, root["stages"], isListPort, budget).expand();
}

function none(value: unknown): Expansion {
  return { value, families: new Map(), interpolations: [], problems: [], unresolved: [] };
}

class Expander {
  readonly #problems: PlacedProblem[] = [];
  readonly #interpolations: Interpolation[] = [];
  readonly #unresolved: DocumentPath[] = [];
  /** Stages that are reported otherwise, or could not be expanded: what follows from that is not worth a message. */
  readonly #skipped = new Set<string>();
  /** Children by stage; a stage without has one, of no axes. */
  readonly #combinations = new Map<string, readonly Combination[]>();
  readonly #finders = new Map<string, (like: Combination) => readonly Combination[]>();

  constructor(
    private readonly root: Entries,
    private readonly stages: Entries,
    private readonly isListPort: IsListPort,
    private readonly budget: Budget,
  ) {}

  expand(): Expansion {
    const shared = this.#parse(this.root["matrix"], ["matrix"]);
    this.#checkPlaces();
    const edges = new Map(Object.keys(this.stages).map((id) => [id, this.#sourcesOf(id)]));
    const { order, rest } = topologicalOrder(edges);
    // A cycle is reported where stages are bound; until then its stages stay as they are written.
    const broken = new Set(rest.length === 0 ? [] : findCycle(edges, rest));
    for (const id of order) this.#combinations.set(id, this.#combine(id, shared));
    for (const id of [...rest, ...broken]) {
      this.#combinations.set(id, [{}]);
      this.#skipped.add(id);
    }
    const total = [...this.#combinations.values()].reduce((sum, { length }) => sum + length, 0);
    if (total > MAX_STAGES) {
      const got = { got: `${total}`, wanted: `at most ${MAX_STAGES}` };
      this.#report(["stages"], "the matrices of the pipeline make too many stages", "name fewer values", got);
      for (const id of this.#combinations.keys()) {
        this.#combinations.set(id, [{}]);
        this.#skipped.add(id);
      }
    }

    const used = new Set([...this.#combinations.values()].flatMap((all) => Object.keys(all[0]!)));
    for (const axis of this.#problems.length > 0 ? [] : Object.keys(shared[0]!).filter((one) => !used.has(one))) {
      const fix = `write \${matrix.${axis}} where its values belong, or remove it`;
      this.#report(["matrix", axis], `matrix.${axis} makes no difference to any stage`, fix, { severity: "warning" });
    }

    const children: [string, unknown][] = [];
    const families = new Map<string, string[]>();
    for (const [id, entry] of Object.entries(this.stages)) {
      const combinations = this.#combinations.get(id)!;
      for (const combination of combinations) {
        const child = `${id}${childSuffix(combination)}`;
        if (child !== id && Object.hasOwn(this.stages, child)) {
          this.#report(
            ["stages", child],
            `"${child}" is the id of a child of the matrix of "${id}"`,
            "rename the stage",
          );
        }
        if (this.budget.spent) break;
        const made = this.#child(id, child, entry, combination);
        children.push([child, made]);
        if (child === id) continue;
        const refused = this.budget.take(made);
        if (refused !== undefined) this.#report(["stages", id], refused, "name fewer values, or gather fewer children");
        const family = families.get(id);
        if (family === undefined) families.set(id, [child]);
        else family.push(child);
      }
    }
    const { matrix: _, ...others } = this.root;
    return {
      value: { ...others, stages: Object.fromEntries(children) },
      families,
      interpolations: this.#interpolations,
      problems: this.#problems,
      unresolved: this.#unresolved,
    };
  }

  /** Values of axes are for stages; elsewhere there is no child whose value could be taken. In a reference: its extent. */
  #checkPlaces(): void {
    const message = "cannot resolve ${matrix.…} here: each child has a value of its own";
    for (const key of ["name", "description"]) {
      if (matrixAxesIn(this.root[key]).size > 0) this.#report([key], message, "write it out");
    }
    for (const [id, entry] of Object.entries(this.stages)) {
      const inputs = isRecord(entry) && isRecord(entry["inputs"]) ? entry["inputs"] : {};
      for (const [port, written] of Object.entries(inputs)) {
        const texts = [written].flat().map((text) => typeof text === "string" ? withoutExtent(text) : text);
        if (matrixAxesIn(texts).size === 0) continue;
        this.#report(
          ["stages", id, "inputs", port],
          message,
          "name the stage; children over the same axes go together",
        );
        this.#skipped.add(id);
      }
    }
  }

  #report(path: DocumentPath, message: string, fix: string, more: Partial<Problem> = {}): void {
    this.#problems.push({ path, problem: { code: "invalid-value", message, fix, ...more } });
  }

  #parse(written: unknown, at: DocumentPath): readonly Combination[] {
    if (written === undefined) return [{}];
    const parsed = parseMatrix(written, at);
    if ("value" in parsed) return parsed.value;
    for (const { path, message, fix, ...more } of parsed.problems) {
      this.#report(path, `${path.join(".")} ${message}`, fix, more);
    }
    for (const id of at.length > 1 ? [String(at[1])] : Object.keys(this.stages)) this.#skipped.add(id);
    return [{}];
  }

  /** Stages that a stage reads, of those that there are. */
  #sourcesOf(id: string): string[] {
    return this.#references(id).map(({ stage }) => stage).filter((stage) => Object.hasOwn(this.stages, stage));
  }

  #references(id: string) {
    const entry = this.stages[id];
    const inputs = isRecord(entry) && isRecord(entry["inputs"]) ? entry["inputs"] : {};
    return Object.entries(inputs).flatMap(([port, written]) => {
      const list = this.isListPort(id, port) ?? Array.isArray(written);
      return (Array.isArray(written) ? written : [written]).flatMap((text, index) => {
        const reference = typeof text === "string" ? parseReference(withoutExtent(text)) : undefined;
        const path = ["stages", id, "inputs", port, ...(Array.isArray(written) ? [index] : [])];
        return reference === undefined ? [] : [{ ...reference, port, text: text as string, list, path }];
      });
    });
  }

  /** What a stage's children are: of its own matrix, of the axes of the pipeline that it names, and of what it reads. */
  #combine(id: string, shared: readonly Combination[]): readonly Combination[] {
    const entry = this.stages[id];
    const at = ["stages", id, "matrix"];
    const written = isRecord(entry) ? entry["matrix"] : undefined;
    const own = this.#parse(written, at);
    const fail = (path: DocumentPath, message: string, fix: string): readonly Combination[] => {
      this.#report(path, message, fix);
      this.#skipped.add(id);
      return [{}];
    };
    const tooMany = () => fail(["stages", id], `stage "${id}" has too many combinations`, "name fewer values");
    // Axes of the pipeline that the stage names, or has values of its own for.
    const named = new Set([...matrixAxesIn(entry), ...Object.keys(own[0]!)]);
    let combinations = join(own, project(shared, named));
    if (combinations === undefined) return tooMany();
    if (combinations.length === 0) {
      return fail(
        at,
        `the matrix of stage "${id}" has no value in common with that of the pipeline`,
        "name the same values",
      );
    }
    for (const { stage, select, list, path, text } of this.#references(id)) {
      const source = this.#combinations.get(stage);
      if (source === undefined) continue;
      const chosen = this.#choose(source, select, { path, text });
      if (chosen.length === 0) this.#skipped.add(id);
      if (list || chosen.length === 0) continue;
      // The values that the reference names are not axes of the reader.
      const free = new Set(chosen.flatMap(Object.keys).filter((axis) => select?.[axis] === undefined));
      const lost = this.#lostValue(own, chosen, free);
      if (lost !== undefined) {
        return fail(
          [...at, lost.axis],
          `stage "${stage}" has no child with ${lost.axis}=${lost.label}`,
          "name values that it has",
        );
      }
      const joined = join(combinations, project(chosen, free));
      if (joined === undefined) return tooMany();
      if (joined.length === 0) {
        return fail(
          path,
          `stage "${id}" and "${stage}" share an axis and no value of it`,
          "name the same values in both",
        );
      }
      combinations = joined;
    }
    // Axes of the pipeline meet again here, perhaps in combinations that it leaves out.
    const find = indexBy(shared, sharedAxes(combinations, shared));
    const kept = combinations.filter((one) => find(one).length > 0);
    if (kept.length > 0) return kept;
    return fail(
      ["stages", id],
      `what stage "${id}" reads is never together in the pipeline's matrix`,
      "change its exclude",
    );
  }

  /** A value of a stage's own axis that what it reads has not, though it has the axis. */
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
        this.#report(path, `"${text}": that stage has no axis "${axis}"`, fix);
        return [];
      }
      const labels = [...new Set(source.map((one) => valueOf(one, axis)?.label).filter((one) => one !== undefined))];
      if (!labels.includes(label)) {
        this.#report(path, `"${text}": axis "${axis}" has no value ${label}`, suggestName(label, labels));
        return [];
      }
    }
    this.#report(path, `"${text}": there is no such combination`, "name one that the matrix has");
    return [];
  }

  #child(id: string, child: string, entry: unknown, combination: Combination): unknown {
    if (!isRecord(entry)) return entry;
    const { matrix: _, needs, ...rest } = entry;
    const filled = fillMatrix(rest, combination, ["stages", child]);
    const { inputs, ...others } = filled.value as Entries;
    this.#interpolations.push(...filled.interpolations);
    if (this.#skipped.has(id)) this.#unresolved.push(...filled.unknown.map(({ path }) => path));
    for (const { path, axis } of this.#skipped.has(id) ? [] : filled.unknown) {
      const known = Object.keys(combination);
      const original = ["stages", id, ...path.slice(2)];
      const message = `cannot resolve \${matrix.${axis}}: stage "${id}" has no such axis`;
      this.#problems.push({
        path: original,
        problem: {
          code: "interpolation",
          message,
          fix: known.length === 0
            ? "add matrix to the stage or to the pipeline"
            : suggestName(axis.split(".")[0]!, known),
        },
      });
    }
    const bound = isRecord(inputs)
      ? Object.fromEntries(
        Object.entries(inputs).map(([port, written]) => {
          const list = this.isListPort(id, port) ?? Array.isArray(written);
          return [port, this.#bind(id, written, combination, { list, path: ["inputs", port] })];
        }),
      )
      : inputs;
    const waited = this.#bind(id, needs, combination, { list: true, path: ["needs"] });
    return {
      ...others,
      ...(inputs === undefined ? {} : { inputs: bound }),
      ...(needs === undefined ? {} : { needs: waited }),
    };
  }

  /** The children of a stage that have the wanted values, as far as it has the axes. */
  #childrenFor(stage: string, source: readonly Combination[], wanted: Combination): readonly Combination[] {
    const axes = sharedAxes(source, [wanted]);
    const key = `${stage} ${axes.join(" ")}`;
    const find = this.#finders.get(key) ?? indexBy(source, axes);
    this.#finders.set(key, find);
    return find(wanted);
  }

  /** References of a stage, to the children that belong to this combination. @param path of them, within the stage */
  #bind(
    id: string,
    written: unknown,
    combination: Combination,
    { list, path }: { readonly list: boolean; readonly path: DocumentPath },
  ): unknown {
    let gathered = false;
    const texts = (Array.isArray(written) ? written : [written]).flatMap((text) => {
      const reference = typeof text === "string" ? parseReference(text) : undefined;
      const source = reference && this.#combinations.get(reference.stage);
      if (reference === undefined || source === undefined) return [text];
      const { stage, select = {}, extent, port: output } = reference;
      const isThere = Object.keys(select).every((axis) => valueOf(source[0]!, axis) !== undefined);
      const mine = isThere ? this.#childrenFor(stage, source, { ...combination, ...labelled(select) }) : [];
      const expanded = source.some((one) => Object.keys(one).length > 0);
      if (!expanded) return [text];
      if (mine.length === 0) {
        if (this.#skipped.has(id)) return [text];
        const own = childSuffix(withoutAxes(combination, select));
        this.#report(
          ["stages", id, ...path],
          `no child of "${stage}" goes with ${own}`,
          "name values that it has",
        );
        this.#skipped.add(id);
        return [text];
      }
      gathered ||= list;
      return (list ? mine.toSorted(compareCombinations) : mine).map((one) =>
        `${stage}${childSuffix(one)}${extent === undefined ? "" : `@${extent}`}${
          output === undefined ? "" : `.${output}`
        }`
      );
    });
    return Array.isArray(written) || gathered ? texts : texts[0];
  }
}

function withoutAxes(combination: Combination, select: Readonly<Record<string, string>>): Combination {
  return Object.fromEntries(Object.entries(combination).filter(([axis]) => select[axis] === undefined));
}
