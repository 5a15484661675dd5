import { CLONE } from "./cli_process.ts";
import type { Project } from "./project.ts";

/** Runs a command on a terminal that `script` makes, and types an answer when the command asks. */
export async function answerOnTerminal(
  project: Project,
  args: readonly string[],
  { answer, env = {}, at = "[y/N]", byTask = false }: {
    readonly answer: string;
    readonly env?: Readonly<Record<string, string>>;
    /** The text after which the answer is typed. */
    readonly at?: string;
    /** True to run it as a task, as users do. */
    readonly byTask?: boolean;
  },
): Promise<{ readonly code: number; readonly said: string }> {
  const main = `deno run -A --config=${CLONE}deno.json ${CLONE}cli/main.ts`;
  if (byTask) project.write("task/deno.json", JSON.stringify({ tasks: { main } }));
  const start = byTask ? `task --config=task/deno.json --cwd=. main` : `run -A ${CLONE}cli/main.ts`;
  const command = `${Deno.execPath()} ${start} ${args.join(" ")}`;
  const child = new Deno.Command("script", {
    args: ["-qec", command, "/dev/null"],
    cwd: project.root,
    env: { ...env, XDG_CONFIG_HOME: project.path(".config"), TERM: "xterm" },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const giveUp = setTimeout(() => child.kill("SIGKILL"), 120_000);
  const writer = child.stdin.getWriter();
  const decoder = new TextDecoder();
  let said = "";
  let asked = false;
  for await (const chunk of child.stdout) {
    said += decoder.decode(chunk, { stream: true });
    // Text typed before the question would be lost.
    if (asked || !said.includes(at)) continue;
    asked = true;
    await writer.write(new TextEncoder().encode(answer));
  }
  clearTimeout(giveUp);
  await writer.close().catch(() => {});
  return { code: (await child.status).code, said };
}
