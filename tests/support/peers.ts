/** The Python that has torch and diffusers, for tests that compare with them. */
const PYTHON = Deno.env.get("NOISELINE_PEERS_PYTHON") ?? "python3";

/** Runs a script of tests/peers. @returns its exit status and what it printed */
export async function runPeer(script: string, ...args: readonly string[]) {
  const file = new URL(`../peers/${script}`, import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(PYTHON, { args: [file, ...args] }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, printed: text(stdout), said: text(stderr) };
}

/** Returns why tests that need the library cannot run; undefined if they can. */
export function whyNoDiffusers(): string | undefined {
  try {
    const args = ["-c", "import importlib.util as u; assert u.find_spec('torch') and u.find_spec('diffusers')"];
    if (new Deno.Command(PYTHON, { args, stderr: "null" }).outputSync().success) return undefined;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return `${PYTHON} has no torch and diffusers; NOISELINE_PEERS_PYTHON names one that has`;
}
