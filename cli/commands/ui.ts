import { existsSync } from "node:fs";
import { definedOnly } from "../../std/defined_only.ts";
import { type AnyCommand, type CliSettings, ON, storeCommand } from "../command.ts";
import { parsePort } from "../format/units.ts";
import { listenForStop, printError, printJson, printLine, refuse } from "../io.ts";
import { clusterFor, openStoreFor } from "../open.ts";
import { findServer, loginAddress, openBrowser, placeOf } from "../../pages/server/start.ts";

const MORE = ` It reads what runs leave in the store, also those of other processes, and writes nothing there.

Only this machine can connect, and only who has the token in the address. From another machine:
ssh -L 8642:127.0.0.1:8642 HOST, there with --port 8642.`;

const EXAMPLES = `
  deno task ui                  # of the store of this folder, until Ctrl-C
  deno task ui --port 8642
  deno task ui --on lab         # with what was submitted to a cluster`;

/** `ui` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return storeCommand("ui", EXAMPLES, MORE)
    .option("--port <n>", "where to listen (default: as last time, else any that is free)", parsePort)
    .addOption(ON)
    .option("--no-open", "do not open a browser")
    .action(async ({ port, on, open, json, ...options }) => {
      const cluster = on === undefined ? undefined : await clusterFor(settings, on, Deno.cwd());
      const place = placeOf(openStoreFor(options), cluster);
      // Submissions to a cluster can be shown without a store.
      if (cluster === undefined && !existsSync(place.store)) {
        printError(`there is no store at ${place.store} yet; runs show once there is one`);
      }
      const server = await findServer(place, definedOnly({ port }));
      if ("trouble" in server) {
        const fix = server.inUse ? "give another --port, or none" : "see the lines above";
        refuse(`Cannot serve pages: ${server.trouble}`, fix);
      }
      const { child } = server;
      const address = loginAddress(server, "/");
      if (json) printJson({ address, port: server.port, store: place.store, started: child !== undefined });
      else printLine(address);
      if (open) openBrowser(server, "/");
      if (child === undefined) return;
      using signals = listenForStop(() => child.kill("SIGKILL"));
      const { code } = await child.status;
      if (!signals.stop.aborted) refuse(`the server ended by itself (${code})`, "see the lines above");
    });
}
