import type { Json } from "./cli_process.ts";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import type { Project } from "./project.ts";
import type { ProcessOptions, Running } from "./cli_process.ts";

/** Returns the folder of packages, whatever cache folder a test gives its processes. */
export async function denoDir(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"], stderr: "null" }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

/** Returns the environment of a user with their own cache folder and no screen. */
export async function userOf(project: Project): Promise<Record<string, string>> {
  return { XDG_CACHE_HOME: project.path("cache"), DENO_DIR: await denoDir(), DISPLAY: "", WAYLAND_DISPLAY: "" };
}

/** A browser without a screen: one cookie, and the address that let it in. */
export class Visitor {
  #cookie = "";

  private constructor(readonly origin: string) {}

  /** Opens the address that `ui` prints. */
  static async open(address: string): Promise<Visitor> {
    const visitor = new Visitor(new URL(address).origin);
    const response = await fetch(address, { redirect: "manual" });
    await response.body?.cancel();
    visitor.#cookie = response.headers.get("set-cookie")?.split(";")[0] ?? "";
    return visitor;
  }

  async get(path: string, init: RequestInit = {}): Promise<Response> {
    return await fetch(`${this.origin}${path}`, { redirect: "manual", ...init, headers: { cookie: this.#cookie } });
  }

  async text(path: string): Promise<string> {
    return await (await this.get(path)).text();
  }

  /** Returns the answer to a raw request, up to the end of its head, for any path and Host. */
  async raw(path: string, host = new URL(this.origin).host, method = "GET"): Promise<string> {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(this.origin).port) });
    const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nCookie: ${this.#cookie}\r\nConnection: close\r\n\r\n`;
    await connection.write(new TextEncoder().encode(head));
    return (await new Response(connection.readable).text()).split("\r\n\r\n")[0]!;
  }

  /** Yields the events of a page as they arrive, until the consumer stops. */
  async *events(path: string): AsyncGenerator<{ readonly name: string; readonly data: Record<string, unknown> }> {
    const stop = new AbortController();
    try {
      yield* eventsIn(await this.get(`/events?of=${encodeURIComponent(path)}`, { signal: stop.signal }));
    } finally {
      stop.abort();
    }
  }
}

/** Starts `ui`, and opens the address that it prints. */
export async function startUi(project: Project, args: readonly string[] = [], options: Partial<ProcessOptions> = {}) {
  const running: Running = project.start(["ui", ...args], options);
  await running.said("\n");
  return running;
}

/** Returns the detached servers of a project's store. */
export function findServers({ root }: Project): number[] {
  const main = fileURLToPath(import.meta.resolve("../../pages/server/serve.ts"));
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      const isServer = Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes(main);
      return isServer && Deno.readLinkSync(join("/proc", `${pid}`, "cwd")) === Deno.realPathSync(root);
    } catch {
      return false;
    }
  });
}

/** Yields the server-sent events of an answer as they arrive, except comments and settings. */
export async function* eventsIn(
  { body }: Response,
): AsyncGenerator<{ readonly name: string; readonly data: Json }> {
  let rest = "";
  for await (const text of body!.pipeThrough(new TextDecoderStream())) {
    const all = (rest + text).split("\n\n");
    rest = all.pop()!;
    for (const one of all) {
      const [, name, data] = /^event: (.+)\ndata: (.+)$/.exec(one) ?? [];
      if (name !== undefined) yield { name, data: JSON.parse(data!) };
    }
  }
}
