import { join } from "node:path";
import { hasProgram } from "./proc.ts";
import { userFolder } from "../../std/user_folder.ts";

/**
 * moto is an S3 server in Python: in memory, for any key, with If-None-Match. The server by itself needs few packages.
 */
const PACKAGES = ["moto[s3]==5.2.5", "flask==3.1.3", "flask-cors==6.0.5"];

const HOME = join(userFolder("tests"), "moto-5.2.5");

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

async function call(program: string, args: string[]): Promise<string | undefined> {
  const { success, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  return success ? undefined : new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "it failed";
}

/**
 * Makes an environment under a temporary name and moves it to its place when it is complete.
 * @returns why there is none
 */
async function install(): Promise<string | undefined> {
  if (!hasProgram("python3")) return "there is no python3";
  const temporary = `${HOME}-${Deno.pid}`;
  const problem = await call("python3", ["-m", "venv", temporary]) ??
    await call(join(temporary, "bin", "python"), ["-m", "pip", "install", "--quiet", ...PACKAGES]);
  if (problem === undefined) await Deno.rename(temporary, HOME).catch(() => {});
  await Deno.remove(temporary, { recursive: true }).catch(() => {});
  return exists(join(HOME, "bin", "python")) ? undefined : `moto cannot be installed: ${problem}`;
}

/** An S3 service with one bucket, reachable only from this machine. */
export class MotoServer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #log: Promise<void>;
  /** Address of the service. */
  readonly endpoint: string;
  readonly bucket = "team";

  private constructor(child: Deno.ChildProcess, log: Promise<void>, endpoint: string) {
    this.#child = child;
    this.#log = log;
    this.endpoint = endpoint;
  }

  /**
   * @param install true if moto may be downloaded if it is missing, which takes some seconds
   * @returns why there can be no server
   */
  static async problem({ install: may }: { readonly install: boolean }): Promise<string | undefined> {
    if (exists(join(HOME, "bin", "python"))) return undefined;
    return may ? await install() : "moto is not installed; deno task test:faults does it";
  }

  static async start(): Promise<MotoServer> {
    const python = join(HOME, "bin", "python");
    const args = ["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"];
    const child = new Deno.Command(python, { args, stdin: "null", stdout: "null", stderr: "piped" }).spawn();
    const started = Promise.withResolvers<string>();
    const log = (async () => {
      let text = "";
      for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
        text = (text + chunk).slice(-10_000);
        const address = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
        if (address !== undefined) started.resolve(address);
      }
      started.reject(new Error(`moto ended:\n${text}`));
    })();
    const server = new MotoServer(child, log, await started.promise);
    await (await fetch(`${server.endpoint}/${server.bucket}`, { method: "PUT" })).body?.cancel();
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#log;
  }
}
