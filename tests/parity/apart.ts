import { assert } from "@std/assert";
import { fileURLToPath } from "node:url";
import { FLOAT32, type ParityDeviceName, skipAbsent } from "./devices.ts";

/**
 * Registers the parity tests of a device, which are in a file of `apart/`, to run in a separate process. TensorFlow has
 * its own LLVM and crashes in a process that has loaded Mesa's, as WebGPU does for a software adapter.
 */
export function testParityApart(name: ParityDeviceName): void {
  Deno.test(`${name} agrees with PyTorch in float64, in a process of its own`, async (t) => {
    if (await skipAbsent(t, name)) return;
    const file = fileURLToPath(new URL(`apart/${name.replaceAll("-", "_")}.ts`, import.meta.url));
    const args = ["test", "-A", "--quiet", "--no-check", file];
    const child = await new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1", ...FLOAT32 } }).output();
    const [stdout, stderr] = [child.stdout, child.stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert(child.success, `exit code ${child.code}\n${stdout}\n${stderr}`);
  });
}
