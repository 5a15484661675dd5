import { type LoadModule, openChannel } from "./worker_host.ts";

/** Answer with the pipeline that a TypeScript file exports. Runs in a process that may do nothing else. */
export async function describePipeline(load: LoadModule): Promise<void> {
  const { send } = openChannel();
  send({ pipeline: (await load()).default });
  Deno.exit(0);
}
