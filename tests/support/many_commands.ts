/**
 * A main module that runs commands one after the other: a process of its own takes a third of a second for each. Its
 * argument is a JSON array of arrays of arguments; it prints a JSON array of what the commands said.
 *
 * @module
 */
import { runCli, type Said } from "../unit/cli/capture.ts";

const said: Said[] = [];
for (const args of JSON.parse(Deno.args[0]!) as string[][]) said.push(await runCli(...args));
// deno-lint-ignore no-console
console.log(JSON.stringify(said));
