import { messagePrefix } from "./protocol.ts";
import { inputLines } from "./worker_host.ts";

/** Answer with the pipeline that a TypeScript file exports. Runs in a process that may do nothing else. */
export async function describePipeline(pipeline: unknown): Promise<void> {
  const first = await inputLines().next();
  if (first.done) Deno.exit(1);
  const { nonce } = JSON.parse(first.value) as { nonce: string };
  await Deno.stdout.write(new TextEncoder().encode(`${messagePrefix(nonce)}${JSON.stringify({ pipeline })}\n`));
  Deno.exit(0);
}
