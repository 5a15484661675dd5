import "./complete_tfjs.ts";
import type { CompiledFunction, Device, PureFunction, Signature } from "./device.ts";

/** A device that disposes of all that it compiled when it is disposed of itself. */
export function compilingDevice(
  { name, numerics }: Pick<Device, "name" | "numerics">,
  compile: (fn: PureFunction, inputs: Signature, label: string) => CompiledFunction,
): Device {
  const compiled = new Set<CompiledFunction>();
  let open = true;
  return {
    name,
    numerics,
    async compile(fn, inputs, { label = "function" } = {}) {
      if (!open) throw new Error(`Cannot compile "${label}": device "${name}" has been disposed of`);
      const made = compile(fn, inputs, label);
      compiled.add(made);
      return {
        ...made,
        async dispose() {
          compiled.delete(made);
          await made.dispose();
        },
      };
    },
    async dispose() {
      open = false;
      await Promise.all([...compiled].map((each) => each.dispose()));
      compiled.clear();
    },
  };
}
