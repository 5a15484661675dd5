import { inputLines, type LoadModule, openChannel } from "./worker_host.ts";

/** Answer with the pipeline that a TypeScript file exports. Runs in a process that may do nothing else. */
export async function describePipeline(load: LoadModule): Promise<void> {
  const first = await inputLines().next();
  if (first.done) Deno.exit(1);
  const { nonce } = JSON.parse(first.value) as { nonce: string };
  const answer = openChannel(nonce);
  answer({ pipeline: (await load()).default });
  Deno.exit(0);
}
