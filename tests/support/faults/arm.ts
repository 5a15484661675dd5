/**
 * Makes a process fail at one of its operations on the store. Only test entries load this module: `cli.ts` in this
 * folder for the command itself, and for a stage's worker the `setpriv` that {@linkcode FaultProject} puts on its PATH.
 */
import { type FileOperation, setOperationHook } from "../operations.ts";

/** An injection into a process, as plain data because it is sent to another process. */
export type Injection =
  /** Record every operation, as lines of JSON ({@linkcode Recorded}). */
  | { readonly act: "record"; readonly log: string }
  /** Die at the operation of this number, counted from 0, before it is done. */
  | { readonly act: "kill"; readonly at: number }
  /** Fail this operation once, or this one and all later operations of its kind. */
  | { readonly act: "fail"; readonly at: number; readonly code: FaultCode; readonly lasting?: boolean };

export type FaultCode = keyof typeof MESSAGES;

const MESSAGES = {
  ENOSPC: "No space left on device (os error 28)",
  EIO: "Input/output error (os error 5)",
  EMFILE: "Too many open files (os error 24)",
} as const;

/** One operation of a process. */
export interface Recorded {
  readonly process: number;
  readonly operation: FileOperation;
  readonly path: string;
  readonly from?: string;
  /** Base64. */
  readonly bytes?: string;
  /** The modification time that the file of the previous operation then had. */
  readonly mtimeMs?: number;
}

/** Makes the error that the system would give. */
export function makeFault(code: FaultCode, path: string): Error {
  return Object.assign(new Error(`${MESSAGES[code]}: ${path}`), { code });
}

/** @returns functions that return the number of operations so far, and true if the injection has happened */
export function arm(injection: Injection): { readonly count: () => number; readonly fired: () => boolean } {
  let count = 0;
  let fired = false;
  const log = injection.act === "record" ? Deno.openSync(injection.log, { append: true, create: true }) : undefined;
  let previous: string | undefined;
  setOperationHook((operation, path, detail) => {
    const number = count++;
    switch (injection.act) {
      case "record": {
        const line: Recorded = {
          process: Deno.pid,
          operation,
          path,
          ...(detail?.from === undefined ? {} : { from: detail.from }),
          ...(detail?.bytes === undefined ? {} : { bytes: detail.bytes.toBase64() }),
          ...timeOf(previous),
        };
        previous = path;
        // The newline comes first: a process that is killed while a line crosses a page of the file leaves half of the
        // line, which the next process then does not write into.
        log!.writeSync(new TextEncoder().encode(`\n${JSON.stringify(line)}`));
        return;
      }
      case "kill":
        if (number !== injection.at) return;
        fired = true;
        Deno.kill(Deno.pid, "SIGKILL");
        // The signal may arrive a moment late, and nothing may be done meanwhile.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
        return;
      case "fail":
        if (number === injection.at || (injection.lasting === true && number > injection.at)) {
          fired = true;
          throw makeFault(injection.code, path);
        }
    }
  });
  return { count: () => count, fired: () => fired };
}

function timeOf(path: string | undefined): { readonly mtimeMs?: number } {
  try {
    return path === undefined ? {} : { mtimeMs: Deno.lstatSync(path).mtime!.getTime() };
  } catch {
    return {};
  }
}
