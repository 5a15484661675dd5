import { parentDeathGuard } from "noiseline/engine";

/** Thrown if a setup cannot continue: what is wrong, and what to do. */
export class SetupFailure extends Error {
  override name = "SetupFailure";

  constructor(message: string, readonly fix: string) {
    super(message);
  }
}

const LINES_SHOWN = 15;
/** Compiling the addon takes minutes, and so may a download. */
const TIMEOUT_MS = 60 * 60_000;

interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Purpose of the program, as in "Cannot …". */
  readonly purpose: string;
  readonly fix: string;
}

/**
 * Runs a program to its end and returns its standard output.
 * @throws SetupFailure with the last lines of its output.
 */
export async function runProgram(program: string, args: readonly string[], options: RunOptions): Promise<string> {
  const [first, ...rest] = [...parentDeathGuard(), program, ...args];
  const { success, code, signal, stdout, stderr } = await new Deno.Command(first!, {
    args: rest,
    signal: AbortSignal.timeout(TIMEOUT_MS),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...options.env },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (success) return text(stdout);
  const said = `${text(stdout)}\n${text(stderr)}`.split("\n").filter((line) => line.trim() !== "");
  const end = signal === null ? `exit code ${code}` : `signal ${signal}`;
  const tail = said.slice(-LINES_SHOWN).map((line) => `\n  | ${line}`).join("");
  throw new SetupFailure(`Cannot ${options.purpose}: ${program} ended with ${end}${tail}`, options.fix);
}
