/** The reason why each file cannot be used, by its path relative to the folder, with `/`. */
export type BrokenFiles = Map<string, string>;

/** One item as it is stored, [height, width, channels] row-major. */
export interface Item {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: Uint8Array | Uint16Array | Float32Array;
}

/** The labels of all items of a source. */
export interface Labels {
  /** [N], each in [0, classes). */
  readonly of: Uint16Array;
  readonly classes: number;
  readonly classNames?: readonly string[];
}

/**
 * A user's own data of any size: its items are listed first, and then read one by one in their order, so that only one
 * of them is in memory.
 */
export interface Items {
  /** Different from each other; they decide about the split, and name items in messages. */
  readonly names: readonly string[];
  /** Undefined without labels; a message if they are not what was asked for. */
  readonly labels: Labels | undefined | string;
  /** Items that cannot be used, as the list showed. */
  readonly broken: BrokenFiles;
  /** The number of files that hold no items. Default 0. */
  readonly others?: number;
  /** True for images, which may have any depth and size: params say how they come to have one. */
  readonly isFitted: boolean;
  /** Yields the chosen items, whose indices ascend, or what is wrong with them. */
  read(chosen: ArrayLike<number>): AsyncIterable<Item | string>;
}

/** Names and labels of all items are in memory. */
export const MOST_ITEMS = 10_000_000;

/** The most classes that labels of 16 bits can have, with one number to spare. */
const MOST_CLASSES = 65_535;

/** Returns labels from one name for each item: names are numbered in their code-unit order. */
export function labelsOfNames(names: readonly string[], what: string): Labels | string {
  const classNames = [...new Set(names)].sort();
  if (classNames.length > MOST_CLASSES) return `${classNames.length} ${what}: at most ${MOST_CLASSES} can be labels`;
  const places = new Map(classNames.map((name, place) => [name, place]));
  return { of: Uint16Array.from(names, (name) => places.get(name)!), classes: classNames.length, classNames };
}

/**
 * Returns labels from one value for each item: whole numbers are the labels themselves, anything else names classes.
 *
 * @param nameOf says where a value stands, for messages
 */
export function labelsOfValues(values: readonly unknown[], nameOf: (item: number) => string): Labels | string {
  const isNumber = (value: unknown) =>
    typeof value !== "boolean" && String(value).trim() !== "" && !isNaN(Number(value));
  const missing = values.findIndex((value) => !["string", "number", "bigint", "boolean"].includes(typeof value));
  if (missing >= 0) return `${nameOf(missing)} has no label: got ${JSON.stringify(values[missing]) ?? "nothing"}`;
  if (!values.every(isNumber)) return labelsOfNames(values.map(String), "names");
  const numbers = values.map(Number);
  const isWrong = (label: number) => !Number.isInteger(label) || label < 0 || label >= MOST_CLASSES;
  const wrong = numbers.findIndex(isWrong);
  if (wrong >= 0) {
    const more = numbers.filter(isWrong).length - 1;
    const got = `label of ${nameOf(wrong)}: got ${numbers[wrong]}, wanted 0 to ${MOST_CLASSES - 1}`;
    return more === 0 ? got : `${got}, and so ${more} more`;
  }
  return { of: Uint16Array.from(numbers), classes: numbers.reduce((most, label) => Math.max(most, label), 0) + 1 };
}
