/**
 * Commands as messages print them, and a shell in which a user types them.
 *
 * @module
 */
import { delimiter, dirname, join } from "node:path";

/** Returns the commands that a project outside the clone prints: between backticks, or at the end of a line. */
export function printedCommands(text: string): string[] {
  const start = "deno run -A \\S+/cli/main\\.ts ";
  const all = text.matchAll(new RegExp(`\`(${start}.*?)\`|(?<!\`)(${start}.*)$`, "gm"));
  return [...all].map(([, quoted, atEnd]) => quoted ?? atEnd!);
}

/** Types a command in a folder. */
export async function typed(command: string, cwd: string, env: Readonly<Record<string, string>> = {}) {
  const PATH = `${dirname(Deno.execPath())}${delimiter}${Deno.env.get("PATH")}`;
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", command],
    ...{ cwd, stdin: "null", env: { NO_COLOR: "1", XDG_CONFIG_HOME: join(cwd, ".config"), ...env, PATH } },
  }).output();
  return { code, said: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}
