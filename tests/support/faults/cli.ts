/**
 * The command line with an injected fault: the first argument describes the fault, the rest is what a user would type.
 */
import { fileURLToPath } from "node:url";
import { main } from "../../../cli/main.ts";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";
import { arm, type Injection } from "./arm.ts";
import { FAULT_KINDS } from "./kinds.ts";

const loadKinds = () => Promise.resolve({ ...BUILTIN_KINDS, ...FAULT_KINDS });
const kindFiles = [fileURLToPath(import.meta.resolve("./kinds.ts"))];

const [injection, ...args] = Deno.args;
const parsed = JSON.parse(injection!) as Injection | null;
if (parsed !== null) arm(parsed);
Deno.exit(await main(args, { loadKinds, kindFiles }));
