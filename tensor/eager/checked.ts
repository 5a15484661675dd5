import type { CompiledFunction, Device } from "../device.ts";

/**
 * A device whose engine tells of failures beside the results, which then are none.
 *
 * @param check throws when the engine has told of one; called before results are handed out
 */
export function checkedDevice(device: Device, check: () => void): Device {
  return { ...device, compile: async (...given) => checkedFunction(await device.compile(...given), check) };
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
