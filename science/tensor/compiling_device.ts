import { Semaphore } from "../../std/semaphore.ts";
import "./complete_tfjs.ts";
import type { BoundFunction, CompiledFunction, Device, HostTensors, PureFunction, Signature } from "./device.ts";
import { checkHeldNames, type HeldInterface, holdInputs, type Interface, prepareRun } from "./feeds.ts";

/** An engine's implementation of one compiled function. */
export interface EngineFunction {
  readonly outputs: Signature;
  /** @param values values of the held inputs, possibly none. They belong to the engine from now on */
  bind(values: HostTensors, held: HeldInterface): Promise<EngineBinding>;
  /** Called once, after everything bound has been released. */
  release?(): Promise<void>;
}

/** A function with held inputs. A call is made only after the previous one has ended. */
interface EngineBinding {
  /** Runs the function. Arguments are already checked: there is every feed, and an array for every result. */
  run(feeds: HostTensors, results: HostTensors): Promise<void>;
  /** Returns copies of held values. */
  read(names: readonly string[]): Promise<HostTensors>;
  /** Called once. */
  release(): Promise<void>;
}

/** An engine that several devices share, and that reports failures separately from results, which are then invalid. */
export interface SharedEngine {
  /** Throws if the engine has reported a failure; called before results are returned. */
  check(): void;
  /** Called once, when the device is disposed of. */
  release(): void | Promise<void>;
}

/** A resource that is disposed of once, after its parts. */
class Lifetime {
  isOpen = true;
  readonly parts = new Set<Lifetime>();

  constructor(readonly release: () => unknown, readonly whole?: Lifetime) {
    whole?.parts.add(this);
  }

  /** @param refusal what cannot be done, and the resource that it needs */
  assertOpen(refusal: string): void {
    if (!this.isOpen) throw new Error(`${refusal} has been disposed of`);
  }

  async dispose(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.whole?.parts.delete(this);
    await Promise.all([...this.parts].map((part) => part.dispose()));
    await this.release();
  }
}

/**
 * Makes a device on an engine: the parts that are the same for all devices. It disposes of everything that it compiled.
 */
export function compilingDevice(
  { name, numerics }: Pick<Device, "name" | "numerics">,
  compile: (fn: PureFunction, inputs: Signature, label: string) => EngineFunction,
  shared?: SharedEngine,
): Device {
  const lifetime = new Lifetime(() => shared?.release());
  return {
    name,
    numerics,
    async compile(fn, inputs, { label = "function" } = {}) {
      lifetime.assertOpen(`Cannot compile "${label}": device "${name}"`);
      const engine = compile(fn, inputs, label);
      return compiledFunction(engine, { label, inputs, outputs: engine.outputs }, lifetime, () => shared?.check());
    },
    dispose: () => lifetime.dispose(),
  };
}

function compiledFunction(
  engine: EngineFunction,
  io: Interface,
  device: Lifetime,
  check: () => void,
): CompiledFunction {
  const { label, inputs, outputs } = io;
  const lifetime = new Lifetime(() => engine.release?.(), device);
  let unheld: Promise<BoundFunction> | undefined;
  const bind = async (values: HostTensors) => {
    lifetime.assertOpen(`Cannot run "${label}": it`);
    const held = holdInputs(io, values);
    const binding = await engine.bind(values, held);
    if (!lifetime.isOpen) await binding.release();
    lifetime.assertOpen(`Cannot run "${label}": it`);
    return boundFunction(binding, held, lifetime, check);
  };
  return {
    inputs,
    outputs,
    bind,
    async run(feeds, into) {
      unheld ??= bind({});
      return await (await unheld).run(feeds, into);
    },
    dispose: () => lifetime.dispose(),
  };
}

function boundFunction(
  binding: EngineBinding,
  held: HeldInterface,
  whole: Lifetime,
  check: () => void,
): BoundFunction {
  const { free } = held;
  // A run reads state at its start and replaces that at its end.
  const turns = new Semaphore(1);
  const lifetime = new Lifetime(() => turns.run(() => binding.release()), whole);
  const answer = async <T>(task: () => Promise<T>) => {
    lifetime.assertOpen(`Cannot run "${free.label}": it`);
    return await turns.run(async () => {
      const result = await task();
      check();
      return result;
    });
  };
  return {
    run: (feeds, into = {}) =>
      answer(async () => {
        const results = prepareRun(free, feeds, into);
        await binding.run(feeds, results);
        return results;
      }),
    read: (names = Object.keys(held.held)) =>
      answer(async () => {
        checkHeldNames(held, names);
        return await binding.read(names);
      }),
    dispose: () => lifetime.dispose(),
  };
}
