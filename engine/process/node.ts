/**
 * Runs a program on one node of a job, for the process that has started this one on each of its nodes. The first line
 * of the input says what to run; a further line asks the program to stop, and the input's end to end at once.
 */
import { constants } from "node:os";
import { makeTemporaryFolder } from "../store/folders.ts";
import { explainStop } from "./child.ts";
import { MAX_LINE, streamLines } from "./lines.ts";
import { programHere } from "./python.ts";
import { type Place, SMALLER, type Spread, StartedProgram, starterAt } from "./start_program.ts";

/** The first line of the input. */
export interface NodeOrder extends Pick<Spread, "names"> {
  readonly place: Place;
  readonly argv: readonly string[];
  /** The version of the program, and the folder of the pipeline, in which it is asked for. */
  readonly interpreter: string;
  readonly home: string;
}

/** Variables of the job that say how nodes reach each other, of NCCL, Gloo, UCX and libfabric: the ranks need these. */
const OF_NETWORK = /^(NCCL|GLOO|UCX|FI)_/;

/** The time that the other nodes have to say why they failed. */
const CAUSE_MS = 2_000;

const [out, said] = [Deno.stdout, Deno.stderr].map(({ writable }) => writable.getWriter());
const write = (to: typeof out, line: string) => to!.write(new TextEncoder().encode(`${line}\n`));
const say = (event: unknown) => write(out, JSON.stringify(event));

/** @returns the code of the program, above 128 if a signal has ended it */
async function run(lines: AsyncGenerator<string>): Promise<number> {
  const { place, argv, names, interpreter, home } = JSON.parse((await lines.next()).value) as NodeOrder;
  const [node = "0", address = ""] = [names.node, names.address].map((name) => Deno.env.get(name));
  const here = await programHere(place.programs[0]!, interpreter, home);
  if (here?.version !== interpreter) {
    const message = `${place.programs[0]} is ${
      here?.version ?? "not there"
    } on node ${node} of the job, not ${interpreter}`;
    await say({ type: "failed", message, fix: "give all nodes the same program" });
    return 1;
  }
  await using temporary = await makeTemporaryFolder();
  // Nodes of tests are one machine: what one of them leaves behind is not another's.
  const brief = `${place.brief} on node ${node}`;
  const cards = place.gpu ? { CUDA_VISIBLE_DEVICES: Deno.env.get("CUDA_VISIBLE_DEVICES") ?? "" } : {};
  const network = Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => OF_NETWORK.test(name)));
  const nodeVars = { PET_NODE_RANK: node, PET_MASTER_ADDR: address, _NOISELINE_NODE: brief };
  const vars = { ...network, ...place.vars, ...cards, ...nodeVars };
  const own = { ...place, brief, vars };
  const starter = starterAt(own, temporary.folder);
  if (starter.note !== undefined && node === "0") await say({ type: "note", message: starter.note });
  const [stop, kill] = [new AbortController(), new AbortController()];
  using program = new StartedProgram(argv, own, starter, { timeoutMs: undefined, kill: kill.signal });
  (async () => {
    for await (const _ of lines) {
      program.askToStop();
      stop.abort();
    }
    kill.abort();
  })();
  const listen = async (stdout: ReadableStream<Uint8Array>) => {
    for await (const line of streamLines(stdout, MAX_LINE)) await write(out, line);
  };
  const { code, signal, left } = await program.waitForEnd(listen, (text) => void write(said, text));
  const limits = { timeoutMs: undefined, memoryLimit: place.memory, kill: kill.signal, stop: stop.signal };
  const stopped = explainStop(program.child, limits, { outcome: undefined, smaller: SMALLER });
  if (stopped?.status === "failed") await say({ type: "failed", message: stopped.message, fix: stopped.fix });
  if (left.length > 0) await say({ type: "left" });
  return signal === null ? code : 128 + (constants.signals as Record<string, number>)[signal]!;
}

const code = await run(streamLines(Deno.stdin.readable, MAX_LINE));
await say({ type: "ended", code });
// When one node fails, the others are ended: the rank that has failed first may be on one of these.
if (code !== 0) await new Promise((resolve) => setTimeout(resolve, CAUSE_MS));
await Promise.all([out, said].map((one) => one!.close()));
Deno.exit(code);
