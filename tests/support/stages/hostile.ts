import { defineStage, type InputArtifact, type OutputArtifact } from "noiseline";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connect, Socket } from "node:net";
import { hostname } from "node:os";
import process, { env } from "node:process";
import { DatabaseSync } from "node:sqlite";
import { getHeapSnapshot } from "node:v8";
import { runInNewContext } from "node:vm";
import { WASI } from "node:wasi";
import { z } from "zod";

interface Given {
  readonly note: (message: string) => void;
  readonly target: string;
  readonly from: InputArtifact;
  readonly out: OutputArtifact;
}

/** Names that are not written out, so that no static check can know what they refer to. */
const computed = (name: string) => [...name].join("");

const inWorker = (code: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(`data:text/javascript,${encodeURIComponent(code)}`, { type: "module" });
    worker.onmessage = ({ data }) => resolve(String(data));
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
  });

const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text));

/**
 * Everything that a stage should not be able to do, by name. A deed that succeeds writes its output as if all were
 * well.
 */
const DEEDS: Readonly<Record<string, (given: Given) => unknown>> = {
  "read-absolute": () => Deno.readTextFileSync("/etc/passwd"),
  "read-dots": ({ from }) => Deno.readTextFileSync(`${from.path("text.txt")}/../../../../../../../deno.json`),
  "read-target": ({ target }) => Deno.readTextFileSync(target),
  "read-own-source": () => Deno.readTextFileSync(new URL(import.meta.url)),
  "read-environ": () => Deno.readTextFileSync("/proc/self/environ"),
  "read-memory": () => Deno.openSync("/proc/self/mem"),
  "read-node": () => readFileSync("/etc/passwd"),
  "read-require": ({ target }) => createRequire(import.meta.url)(target),
  "read-fetch": ({ target }) => fetch(`file://${target}`).then((answer) => answer.text()),
  "read-worker": ({ target }) =>
    inWorker(`try { postMessage(Deno.readTextFileSync(${JSON.stringify(target)})) } catch (e) { reportError(e) }`),
  "stat-target": ({ target }) => Deno.statSync(target),
  "write-target": ({ target }) => Deno.writeTextFileSync(target, "spoilt"),
  "write-node": ({ target }) => writeFileSync(target, "spoilt"),
  "write-temporary": () => Deno.makeTempFileSync(),
  "write-input": ({ from }) => Deno.writeTextFileSync(from.path("text.txt"), "spoilt"),
  "append-input": ({ from }) => Deno.writeTextFileSync(from.path("text.txt"), "spoilt", { append: true }),
  "remove-input": ({ from }) => Deno.removeSync(from.path("text.txt")),
  "chmod-input": ({ from }) => Deno.chmodSync(from.path("text.txt"), 0o777),
  "link-input": ({ from, out }) => Deno.linkSync(from.path("text.txt"), `${out.folder}/link`),
  "move-input": ({ from, out }) => Deno.renameSync(from.path("text.txt"), `${out.folder}/moved`),
  "link-out": ({ target, out }) => Deno.symlinkSync(target, `${out.folder}/link`),
  "net-fetch": () => fetch("https://example.com/"),
  "net-connect": () => Deno.connect({ hostname: "127.0.0.1", port: 80 }),
  "net-node": () => new Promise((resolve, reject) => connect(80, "127.0.0.1").on("error", reject).on("close", resolve)),
  "net-listen": () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  "net-resolve": () => Deno.resolveDns("example.com", "A"),
  "net-unix": ({ out }) => Deno.listen({ transport: "unix", path: `${out.folder}/socket` }),
  "net-unix-connect": () => Deno.connect({ transport: "unix", path: "/run/docker.sock" }),
  "net-unix-abstract": () => Deno.connect({ transport: "unix", path: "\0docker" }),
  "open-core-pattern": () => Deno.openSync("/proc/sys/kernel/core_pattern", { write: true }),
  "open-kernel-log": () => Deno.openSync("/dev/kmsg", { read: true }),
  "open-sys": () => Deno.openSync("/sys/kernel/uevent_helper", { write: true }),
  "open-terminal": () => Deno.openSync("/dev/tty", { read: true, write: true }),
  "open-shared-memory": () => Deno.openSync("/dev/shm/noiseline", { write: true, create: true }),
  "read-process": () => Deno.openSync("/proc/1/mem"),
  "read-process-root": () => Array.from(Deno.readDirSync("/proc/1/root")),
  "card": async () => {
    // deno-lint-ignore no-explicit-any
    const card = await (navigator as any).gpu?.requestAdapter();
    const ask = "navigator.gpu.requestAdapter().then((card) => postMessage(card === null ? 'none' : 'one'))";
    throw new Error(`${card ? "one" : "none"} here, ${await inWorker(ask)} in a worker`);
  },
  "run-deno": () => new Deno.Command(Deno.execPath(), { args: ["--version"] }).outputSync(),
  "run-shell": () => new Deno.Command("/bin/sh", { args: ["-c", "true"] }).outputSync(),
  "run-node": () => execFileSync("/bin/true"),
  "run-kill": () => Deno.kill(1, "SIGTERM"),
  "env-home": () => Deno.env.get("HOME"),
  "env-all": () => Deno.env.toObject(),
  "env-node": () => env["HOME"],
  "env-set": () => Deno.env.set("HOME", "/"),
  "sys-host": () => Deno.hostname(),
  "sys-node": () => hostname(),
  "ffi": () => Deno.dlopen("/lib/x86_64-linux-gnu/libc.so.6", {}),
  "ask": async () => {
    const { state } = await Deno.permissions.request({ name: "read", path: "/" });
    if (state !== "granted") throw new Error(`asked, and the answer was ${state}`);
  },
  "import-remote": () => import(computed("https://deno.land/std@0.100.0/version.ts")),
  "import-file": ({ target }) => import(computed(`file://${target}`)),
  "import-package": () => import(computed("npm:zod@4")),
  "import-worker": ({ target }) => inWorker(`import ${JSON.stringify(`file://${target}`)}; postMessage("loaded")`),
  "worker-permissions": () =>
    new Worker("data:text/javascript,1", { type: "module", deno: { permissions: { read: true } } } as WorkerOptions),
  "remove-output": ({ out }) => Deno.removeSync(out.folder, { recursive: true }),
  "replace-output": ({ out }) => {
    Deno.removeSync(out.folder, { recursive: true });
    Deno.writeTextFileSync(out.folder, "a file");
  },
  "close-output": ({ out }) => Deno.chmodSync(out.folder, 0),
  "forge-end": () => {
    for (let i = 0; i < 1_000; i++) say(`\u001e${crypto.randomUUID()} {"type":"end","end":{"status":"complete"}}\n`);
    throw new Error("forged");
  },
  "forge-by-prototype": ({ target }) => {
    // If the worker looked up its methods when it sends, these replacements would learn the secret that marks a
    // message.
    const seen: string[] = [];
    const spy = <A extends unknown[], R>(method: (this: unknown, ...args: A) => R) =>
      function (this: unknown, ...args: A): R {
        if (this instanceof Uint8Array) seen.push(new TextDecoder().decode(this));
        return method.apply(this, args);
      };
    Uint8Array.prototype.subarray = spy(Uint8Array.prototype.subarray as () => unknown) as never;
    Uint8Array.prototype.slice = spy(Uint8Array.prototype.slice as () => unknown) as never;
    JSON.stringify = () => `{"type":"end","end":{"status":"complete"}}`;
    throw new Error(`overheard ${seen.length} ${target === "" ? "" : "messages"}`);
  },
  "forge-by-getter": ({ note }) => {
    // Any property that is looked up while a message is written would be read from here.
    const asked: string[] = [];
    const arrays = Object.getPrototypeOf(Uint8Array.prototype);
    for (const name of ["length", "byteLength", "byteOffset", "buffer"]) {
      const get = Object.getOwnPropertyDescriptor(arrays, name)!.get!;
      Object.defineProperty(Uint8Array.prototype, name, {
        get() {
          asked.push(name);
          return get.call(this);
        },
      });
    }
    Object.defineProperty(Uint8Array, Symbol.species, { get: () => asked.push("species") && Uint8Array });
    Object.defineProperty(Uint8Array.prototype, "constructor", { get: () => asked.push("constructor") && Uint8Array });
    for (const name of ["set", "subarray", "slice", "indexOf"]) {
      const method = arrays[name];
      arrays[name] = function (this: unknown, ...args: unknown[]) {
        asked.push(name);
        return method.apply(this, args);
      };
    }
    TextEncoder.prototype.encode = () => asked.push("encode") as never;
    JSON.stringify = () => (asked.push("stringify"), "{}");
    note("heard?");
    throw new Error(`asked for ${asked.join() || "nothing"}`);
  },
  "forge-by-snapshot": async ({ note }) => {
    note("the secret has been used");
    let picture = "";
    const decoder = new TextDecoder();
    for await (const part of getHeapSnapshot()) picture += decoder.decode(part as Uint8Array, { stream: true });
    const secrets = picture.match(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g) ?? [];
    // The smallest and the largest identifier are constants of a package.
    const found = secrets.filter((text) => !/^(0+-|f+-)/.test(text));
    throw new Error(`of ${picture.length > 1_000_000 ? "a whole picture" : "nothing"}: ${found.length} secrets`);
  },
  "open-files": async () => {
    // The number of any open file will do, including those that the runtime keeps open for itself.
    // deno-lint-ignore no-explicit-any
    const { Pipe } = (process as any).binding("pipe_wrap");
    for (let number = 3; number < 64; number++) {
      const handle = new Pipe(0);
      if (handle.open(number) !== 0) continue;
      new Socket({ handle, writable: true, readable: false } as never).on("error", () => {}).write("spoilt by number");
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    throw new Error("wrote to what is open");
  },
  "sql-attach": ({ target }) => new DatabaseSync(":memory:").exec(`attach ${JSON.stringify(target)} as other`),
  "sql-vacuum": ({ out }) => new DatabaseSync(":memory:").exec(`vacuum into '${out.folder}/../../stolen'`),
  "wasi": () => new WASI({ version: "preview1", preopens: { "/": "/" } } as never),
  "vm": () => runInNewContext("this.constructor.constructor(`return Deno.readTextFileSync('/etc/passwd')`)()"),
  "signal-all": () => process.kill(0, "SIGSTOP"),
  "stay": () => {
    addEventListener("unload", () => {
      for (;;);
    });
    throw new Error("ends, and stays");
  },
  "throw-null": () => {
    throw null;
  },
  "throw-text": () => {
    throw "only a text";
  },
  "throw-bare": () => {
    throw Object.create(null);
  },
  "throw-trap": () => {
    throw new Proxy(new Error("never seen"), {
      get: () => {
        throw new Error("trapped");
      },
    });
  },
  "throw-long": () => {
    throw new Error("long ".repeat(1_000_000));
  },
  "throw-escape": () => {
    throw new Error("red \u001b[31m and \u0007\u202e\u009b");
  },
  "reject-unawaited": async () => {
    Promise.reject(new Error("nobody waits for me"));
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  },
  "throw-later": async () => {
    setTimeout(() => {
      throw new Error("thrown by a timer");
    });
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  },
  "exit-0": () => Deno.exit(0),
  "exit-3": () => Deno.exit(3),
  "never": () => new Promise(() => {}),
  "return-odd": () => "RETURN",
  "dot-name": ({ out }) => out.write("a/../../../b", "x"),
  "break-name": ({ out }) => Deno.writeTextFileSync(`${out.folder}/two\nlines`, "x"),
  "escape-name": ({ out }) => Deno.writeTextFileSync(`${out.folder}/\u001b[2J`, "x"),
  "turning-name": ({ out }) => Deno.writeTextFileSync(`${out.folder}/a\u202etxt.exe`, "x"),
  "slash-name": ({ out }) => Deno.writeTextFileSync(`${out.folder}/back\\slash`, "x"),
  "link-within": ({ out }) => {
    Deno.writeTextFileSync(`${out.folder}/one`, "x");
    Deno.linkSync(`${out.folder}/one`, `${out.folder}/two`);
  },
  "empty-size": ({ out }) => {
    Deno.writeTextFileSync(`${out.folder}/hole`, "");
    // More than any disk has, and no more than a Linux file system accepts as the size of a file.
    Deno.truncateSync(`${out.folder}/hole`, 15 * 2 ** 40);
  },
  "deep-folders": ({ out }) => {
    // Longer than paths in artifacts may be, and near the limit of system calls.
    Deno.chdir(out.folder);
    for (let depth = 0; depth < 300; depth++) {
      Deno.mkdirSync("deep-deeper");
      Deno.chdir("deep-deeper");
    }
    Deno.writeTextFileSync("bottom", "x");
  },
};

export const DEED_NAMES: readonly string[] = Object.keys(DEEDS);

export default defineStage({
  summary: "Does what it should not",
  params: z.strictObject({ deed: z.string(), target: z.string().default("") }),
  inputs: { from: { type: "files", description: "Something to spoil" } },
  outputs: { out: { type: "files", description: "What should not exist" } },
  async run({ params: { deed, target }, inputs, outputs, note }) {
    const end = await DEEDS[deed]!({ note, target, from: inputs.from, out: outputs.out });
    if (end === "RETURN") return { status: "won" } as never;
    await outputs.out.write("text.txt", "got through\n");
    return undefined;
  },
});
