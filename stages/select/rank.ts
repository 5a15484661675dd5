/** Returns the places of values, the best first: equal ones in their order, null, which is not finite, last. */
export function rank(values: readonly (number | null)[], goal: "lowest" | "highest"): number[] {
  const worst = goal === "lowest" ? Infinity : -Infinity;
  const order = (place: number) => values[place] ?? worst;
  return [...values.keys()].sort((a, b) => {
    return order(a) === order(b) ? a - b : Math.sign(worst) * (order(a) - order(b));
  });
}
