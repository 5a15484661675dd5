import process from "node:process";
import { createInterface } from "node:readline/promises";

/** Whether there is somebody to ask. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Ask on the terminal; anything but a yes is a no. */
export async function askYes(question: string, stop: AbortSignal): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // A terminal that is asked gives Ctrl-C as a key.
  lines.on("SIGINT", () => Deno.kill(Deno.pid, "SIGINT"));
  const closed = new Promise<string>((resolve) => lines.on("close", () => resolve("")));
  try {
    const answer = await Promise.race([lines.question(`${question} [y/N] `, { signal: stop }).catch(() => ""), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
