/**
 * The program as a package: `deno run -A jsr:@noiseline/noiseline/cli run pipeline.yaml`. It is started from local
 * files, with noiseline's own settings and lock, whatever settings the user's folder has.
 *
 * @module
 */
import { ensureLocalCopy, programArgs } from "../package/files.ts";

if (import.meta.main) {
  const folder = await ensureLocalCopy().catch(({ message }) => {
    Deno.stderr.writeSync(new TextEncoder().encode(`error: ${message}\n`));
    Deno.exit(2);
  });
  const child = new Deno.Command(Deno.execPath(), { args: [...programArgs(folder), ...Deno.args] }).spawn();
  // A terminal sends Ctrl-C to both processes.
  Deno.addSignalListener("SIGINT", () => Deno.stdin.isTerminal() || child.kill("SIGINT"));
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", () => child.kill("SIGTERM"));
  Deno.exit((await child.status).code);
}
