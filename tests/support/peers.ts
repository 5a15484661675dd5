/** The Python that has other libraries, for tests that compare with them. */
export const PYTHON = Deno.env.get("NOISELINE_PEERS_PYTHON") ?? "python3";

/** Runs a script of tests/peers. @returns its exit status and what it printed */
export async function runPeer(script: string, ...args: readonly string[]) {
  const file = new URL(`../peers/${script}`, import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(PYTHON, { args: [file, ...args] }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, printed: text(stdout), said: text(stderr) };
}

/** Returns why tests that need packages of Python cannot run; undefined if they can. */
export function whyNoPeers(...packages: readonly string[]): string | undefined {
  try {
    const found = packages.map((name) => `u.find_spec('${name}')`).join(" and ");
    const args = ["-c", `import importlib.util as u; assert ${found}`];
    if (new Deno.Command(PYTHON, { args, stderr: "null" }).outputSync().success) return undefined;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return `${PYTHON} has no ${packages.join(" and ")}; NOISELINE_PEERS_PYTHON names one that has`;
}

export function whyNoDiffusers(): string | undefined {
  return whyNoPeers("torch", "diffusers");
}
