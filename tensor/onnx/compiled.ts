import type { BoundFunction, CompiledFunction, HostTensors, Signature } from "../device.ts";
import { checkDistinct, checkHeldNames, holdInputs, type Interface, prepareRun } from "../feeds.ts";
import { oneAtATime } from "../one_at_a_time.ts";
import type { TracedFunction } from "../trace/trace.ts";
import { openProgram, type Program } from "./program.ts";
import type { SessionOptions } from "./session.ts";
import { signatureOf } from "./specs.ts";

/**
 * A traced function that runs in ONNX Runtime. One session serves all runs whose inputs all change; a binding with
 * inputs that never change gets a session of its own, which knows what follows from them.
 */
export function compileTraced(traced: TracedFunction, inputs: Signature, options: SessionOptions): CompiledFunction {
  const { label } = options;
  const outputs = signatureOf(traced.outputs);
  const io: Interface = { label, inputs, outputs };
  const bound = new Set<BoundFunction>();
  let shared: Promise<Program> | undefined;
  let open = true;
  const assertOpen = () => {
    if (!open) throw new Error(`Cannot run "${label}": it has been disposed of`);
  };
  const sharedProgram = () => shared ??= openProgram(traced, {}, options);
  return {
    inputs,
    outputs,
    async run(feeds, into = {}) {
      assertOpen();
      const results = prepareRun(io, feeds, into);
      const program = await sharedProgram();
      assertOpen();
      await program.execute(feeds, results);
      return results;
    },
    async bind(values) {
      assertOpen();
      const { carried } = holdInputs(io, values);
      const fixed = Object.fromEntries(Object.entries(values).filter(([name]) => !carried.includes(name)));
      const own = Object.keys(fixed).length > 0;
      const program = own ? await openProgram(traced, fixed, options) : await sharedProgram();
      if (own && !open) await program.release();
      assertOpen();
      const binding = bindOnHost(io, values, program);
      const made: BoundFunction = {
        ...binding,
        async dispose() {
          if (!bound.delete(made)) return;
          await binding.dispose();
          if (own) await program.release();
        },
      };
      bound.add(made);
      return made;
    },
    async dispose() {
      if (!open) return;
      open = false;
      for (const each of bound) await each.dispose();
      // A session that could not be made has told whoever asked for it.
      await (await shared?.catch(() => undefined))?.release();
    },
  };
}

/**
 * Held values in the callers' arrays. Those that must not be written over have a second array, which takes turns with
 * the first as input and output, so that a run copies nothing.
 */
function bindOnHost(io: Interface, values: HostTensors, program: Program): BoundFunction {
  const held = holdInputs(io, values);
  const { free, carried } = held;
  const inTurn = oneAtATime();
  const overwritable = program.overwritable(carried);
  let open = true;
  const current: HostTensors = { ...values };
  const next: HostTensors = {};
  for (const name of carried) next[name] = overwritable.has(name) ? current[name]! : current[name]!.slice();
  const assertOpen = () => {
    if (!open) throw new Error(`Cannot run "${io.label}": it has been disposed of`);
  };
  return {
    run: (feeds, into = {}) =>
      inTurn(async () => {
        assertOpen();
        const results = prepareRun(free, feeds, into);
        checkDistinct(current, into, io.label);
        checkDistinct(next, into, io.label);
        await program.execute({ ...feeds, ...current }, { ...results, ...next });
        for (const name of carried) [current[name], next[name]] = [next[name]!, current[name]!];
        return results;
      }),
    read: (names = Object.keys(held.held)) =>
      inTurn(async () => {
        assertOpen();
        checkHeldNames(held, names);
        return Object.fromEntries(names.map((name) => [name, current[name]!.slice()]));
      }),
    dispose: () =>
      inTurn(async () => {
        open = false;
      }),
  };
}
