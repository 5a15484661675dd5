import "./complete_tfjs.ts";
import type { BoundFunction, CompiledFunction, Device, HostTensors, PureFunction, Signature } from "./device.ts";
import { checkHeldNames, type HeldInterface, holdInputs, type Interface, prepareRun } from "./feeds.ts";

/** What an engine does for one function. */
export interface EngineFunction {
  readonly outputs: Signature;
  /** @param values of the inputs that are held, maybe none, which are the engine's from now on */
  bind(values: HostTensors, held: HeldInterface): Promise<EngineBinding>;
  /** Called once, when nothing is bound any more. */
  release(): Promise<void>;
}

/** A function with held inputs. No call is made before the one before it has ended. */
export interface EngineBinding {
  /** Gets what is checked: every feed, and an array for every result. */
  run(feeds: HostTensors, results: HostTensors): Promise<void>;
  /** Copies of held values. */
  read(names: readonly string[]): Promise<HostTensors>;
  /** Called once. */
  release(): Promise<void>;
}

/** An engine that others share, and that tells of failures beside the results, which then are none. */
export interface SharedEngine {
  /** Throws when the engine has told of a failure; called before results are handed out. */
  check(): void;
  /** Called once, when the device is disposed of. */
  release(): void | Promise<void>;
}

/** A device on an engine: what is the same on all devices. It disposes of all that it compiled. */
export function compilingDevice(
  { name, numerics }: Pick<Device, "name" | "numerics">,
  compile: (fn: PureFunction, inputs: Signature, label: string) => EngineFunction,
  shared?: SharedEngine,
): Device {
  const compiled = new Set<CompiledFunction>();
  let open = true;
  return {
    name,
    numerics,
    async compile(fn, inputs, { label = "function" } = {}) {
      if (!open) throw new Error(`Cannot compile "${label}": device "${name}" has been disposed of`);
      const engine = compile(fn, inputs, label);
      const made = compiledFunction(engine, { label, inputs, outputs: engine.outputs }, {
        check: () => shared?.check(),
        forget: () => compiled.delete(made),
      });
      compiled.add(made);
      return made;
    },
    async dispose() {
      const first = open;
      open = false;
      await Promise.all([...compiled].map((each) => each.dispose()));
      if (first) await shared?.release();
    },
  };
}

interface Owner {
  readonly check: () => void;
  readonly forget: () => void;
}

function compiledFunction(engine: EngineFunction, io: Interface, { check, forget }: Owner): CompiledFunction {
  const { label, inputs, outputs } = io;
  const bound = new Set<BoundFunction>();
  let unheld: Promise<BoundFunction> | undefined;
  let open = true;
  const assertOpen = () => {
    if (!open) throw new Error(`Cannot run "${label}": it has been disposed of`);
  };
  const bind = async (values: HostTensors) => {
    assertOpen();
    const held = holdInputs(io, values);
    const binding = await engine.bind(values, held);
    if (!open) await binding.release();
    assertOpen();
    const made = boundFunction(binding, held, { check, forget: () => bound.delete(made) });
    bound.add(made);
    return made;
  };
  return {
    inputs,
    outputs,
    bind,
    async run(feeds, into) {
      unheld ??= bind({});
      return await (await unheld).run(feeds, into);
    },
    async dispose() {
      if (!open) return;
      open = false;
      forget();
      await Promise.all([...bound].map((each) => each.dispose()));
      await engine.release();
    },
  };
}

function boundFunction(binding: EngineBinding, held: HeldInterface, { check, forget }: Owner): BoundFunction {
  const { free } = held;
  const inTurn = oneAtATime();
  let open = true;
  const assertOpen = () => {
    if (!open) throw new Error(`Cannot run "${free.label}": it has been disposed of`);
  };
  return {
    run: (feeds, into = {}) =>
      inTurn(async () => {
        assertOpen();
        const results = prepareRun(free, feeds, into);
        await binding.run(feeds, results);
        check();
        return results;
      }),
    read: (names = Object.keys(held.held)) =>
      inTurn(async () => {
        assertOpen();
        checkHeldNames(held, names);
        const values = await binding.read(names);
        check();
        return values;
      }),
    dispose: () =>
      inTurn(async () => {
        if (!open) return;
        open = false;
        forget();
        await binding.release();
      }),
  };
}

/**
 * Runs tasks in the order in which they are given, each after the one before has ended, well or badly. For state that a
 * task reads at its start and replaces at its end.
 */
function oneAtATime(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const next = last.then(task, task);
    last = next.catch(() => {});
    return next;
  };
}
