import { TOOLKIT_CONFIG } from "./runtime.ts";

/** Modules whose packages were made available in this process. */
const installed = new Set<string>();

/** Whether Deno has everything that a module imports, without asking the network. */
async function isCached(entry: string): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["cache", "--cached-only", "--quiet", "--no-check", "--frozen", `--config=${TOOLKIT_CONFIG}`, entry],
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}

/**
 * Fetch the packages that a stage's module imports, before its worker starts with the network closed.
 * @returns what went wrong, or undefined
 */
export async function installPackages(
  entry: string,
  custom: boolean,
  onProgress: (message: string) => void,
): Promise<string | undefined> {
  if (installed.has(entry)) return undefined;
  if (await isCached(entry)) {
    installed.add(entry);
    return undefined;
  }
  onProgress("fetching packages (once; the tensor engine is about 100 MB to download)");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["cache", "--no-check", ...(custom ? ["--no-lock"] : ["--frozen"]), `--config=${TOOLKIT_CONFIG}`, entry],
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const last: string[] = [];
  const decoder = new TextDecoder();
  for await (const chunk of child.stderr) {
    for (const line of decoder.decode(chunk, { stream: true }).split(/[\r\n]+/)) {
      const text = line.trim();
      if (text === "") continue;
      last.push(text);
      if (last.length > 5) last.shift();
      const name = /\/([^/]+\.tgz)$/.exec(text)?.[1];
      if (name !== undefined) onProgress(`fetching ${name}`);
    }
  }
  const { success } = await child.status;
  if (!success) return last.join("\n");
  installed.add(entry);
  return undefined;
}
