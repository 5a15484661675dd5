/**
 * Returns a function that finds those of all parts whose values a whole has, in their order. It looks up each set of
 * names that parts have, so its work does not grow with the number of parts that it does not find.
 */
export function indexParts<T>(all: readonly T[], valuesOf: (part: T) => ReadonlyMap<string, string>) {
  const keyOf = (names: readonly string[], values: ReadonlyMap<string, string>) =>
    JSON.stringify(names.map((name) => [name, values.get(name)]));
  const parts = all.map((part, place) => ({ part, place, values: valuesOf(part) }));
  const byValues = Map.groupBy(parts, ({ values }) => keyOf([...values.keys()], values));
  const names = new Map(parts.map(({ values }) => [JSON.stringify([...values.keys()]), [...values.keys()]]));
  return (whole: ReadonlyMap<string, string>): T[] =>
    [...names.values()].flatMap((own) => byValues.get(keyOf(own, whole)) ?? [])
      .sort((a, b) => a.place - b.place).map(({ part }) => part);
}
