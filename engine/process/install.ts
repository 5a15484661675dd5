import { TOOLKIT_CONFIG } from "./runtime.ts";

/** Modules whose packages were made available in this process. */
const installed = new Set<string>();

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
  // With everything in Deno's cache this asks no network and takes some hundredths of a second.
  const child = new Deno.Command(Deno.execPath(), {
    args: ["cache", "--no-check", ...(custom ? ["--no-lock"] : ["--frozen"]), `--config=${TOOLKIT_CONFIG}`, entry],
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const last: string[] = [];
  let told = false;
  const decoder = new TextDecoder();
  for await (const chunk of child.stderr) {
    for (const line of decoder.decode(chunk, { stream: true }).split(/[\r\n]+/)) {
      const text = line.trim();
      if (text === "") continue;
      last.push(text);
      if (last.length > 5) last.shift();
      const name = /\/([^/]+\.tgz)$/.exec(text)?.[1];
      if (name === undefined) continue;
      if (!told) onProgress("fetching packages (once; the tensor engine is a download of about 100 MB)");
      told = true;
      onProgress(`fetching ${name}`);
    }
  }
  const { success } = await child.status;
  if (!success) return last.join("\n");
  installed.add(entry);
  return undefined;
}
