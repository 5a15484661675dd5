/**
 * Runs tasks in the order in which they are given, each after the one before has ended, well or badly. For state that a
 * task reads at its start and replaces at its end.
 */
export function oneAtATime(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const next = last.then(task, task);
    last = next.catch(() => {});
    return next;
  };
}
