import { arch, cpus } from "node:os";

let known: string | undefined;

/**
 * Describes what decides how fast this machine is, apart from its graphics processors, which numerics name: processor
 * and number of threads. Host names are left out: containers of one machine have many, and machines of one class share
 * none.
 */
export function machineClass(): string {
  known ??= `${arch()}/${cpus()[0]?.model.trim() || "unknown"}/${navigator.hardwareConcurrency}`;
  return known;
}
