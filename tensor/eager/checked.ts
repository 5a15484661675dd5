import type { CompiledFunction, Device } from "../device.ts";

/**
 * A device on an engine that others share, and that tells of failures beside the results, which then are none.
 *
 * @param engine.check throws when the engine has told of one; called before results are handed out
 * @param engine.release called once, when the device is disposed of
 */
export function checkedDevice(
  device: Device,
  { check, release }: { readonly check: () => void; readonly release: () => void | Promise<void> },
): Device {
  let open = true;
  return {
    ...device,
    compile: async (...given) => checkedFunction(await device.compile(...given), check),
    async dispose() {
      await device.dispose();
      if (open) await release();
      open = false;
    },
  };
}

function checkedFunction(compiled: CompiledFunction, check: () => void): CompiledFunction {
  const after = async <T>(results: Promise<T>): Promise<T> => {
    const value = await results;
    check();
    return value;
  };
  return {
    ...compiled,
    run: (...given) => after(compiled.run(...given)),
    async bind(held) {
      const bound = await compiled.bind(held);
      return {
        ...bound,
        run: (...given) => after(bound.run(...given)),
        read: (...given) => after(bound.read(...given)),
      };
    },
  };
}
