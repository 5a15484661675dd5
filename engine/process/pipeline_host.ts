import { encode } from "../keys/encode.ts";
import { type LoadModule, openChannel } from "./worker_host.ts";

/** Answer with the pipeline that a TypeScript file exports. Runs in a process that may do nothing else. */
export async function describePipeline(load: LoadModule): Promise<void> {
  const { send } = openChannel();
  const pipeline = (await load()).default;
  try {
    // JSON would leave out or change what is not plain data.
    encode(pipeline);
    send({ pipeline });
  } catch (error) {
    send({ problem: `its default export is not plain data: ${(error as Error).message}` });
  }
  Deno.exit(0);
}
