/** Questions of the tests to the kernel about processes. Linux only. */

/** Returns the pids of a process's children, whichever of its threads started them. */
export function childrenOf(pid: number): number[] {
  const found: number[] = [];
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const text = Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`);
    found.push(...text.split(" ").filter((word) => word !== "").map(Number));
  }
  return found;
}

/**
 * Returns true if the process is alive. A process that has ended but that its inheriting parent has not waited for
 * counts as gone.
 */
export function isAlive(pid: number): boolean {
  try {
    const state = /^State:\s+(\w)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
    return state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}

/** Kills a process that may just have ended. */
export function killIfThere(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * This many processes start and end, one after another, before a process that should end by itself counts as one that
 * stays.
 */
const OTHERS = 50;

/**
 * Waits for a process to be gone.
 * @param limitMs by default a minute, and on a busy machine for as long as others take to start and to end: a process
 *   that has just started notices nothing before it has had its share of the processor
 * @returns true if it was gone in time
 */
export async function isGoneWithin(pid: number, limitMs?: number): Promise<boolean> {
  const deadline = performance.now() + (limitMs ?? 60_000);
  while (isAlive(pid) && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  for (let other = 0; limitMs === undefined && isAlive(pid) && other < OTHERS; other++) {
    await new Deno.Command(Deno.execPath(), { args: ["eval", ""] }).output();
  }
  return !isAlive(pid);
}

export function isRoot(): boolean {
  return Deno.uid() === 0;
}

/** Prints why a step is left out. */
export function skipUnless(condition: boolean, why: string): boolean {
  // deno-lint-ignore no-console
  if (!condition) console.log(`skipped: ${why}`);
  return !condition;
}

/**
 * Returns the name of a test that needs something, and ignores the test where that is absent: the report then shows the
 * test as ignored, and why.
 */
export function onlyIf(
  condition: boolean,
  why: string,
  name: string,
): { readonly name: string; readonly ignore: boolean } {
  return condition ? { name, ignore: false } : { name: `${name} (skipped: ${why})`, ignore: true };
}

/** The same for the tests of a module: by an ignored test, because `deno test --quiet` hides what modules print. */
export function skipTestsUnless(condition: boolean, why: string): boolean {
  if (!condition) Deno.test({ name: `skipped: ${why}`, ignore: true, fn: () => {} });
  return !condition;
}

export function hasProgram(name: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${name}`).isFile;
    } catch {
      return false;
    }
  });
}
