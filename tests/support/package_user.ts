import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { Registry } from "./registry.ts";

const { denoDir } = JSON.parse(
  new TextDecoder().decode(new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync().stdout),
) as { denoDir: string };

/** The package's name in commands and settings. */
export const NAME = "jsr:@noiseline/noiseline";

/** A user with an empty home, `deno` on the PATH, and a folder to work in. */
export class User implements AsyncDisposable {
  readonly #root = Deno.makeTempDirSync({ prefix: "noiseline-package-" });
  readonly folder: string = join(this.#root, "work");
  readonly home: string = join(this.#root, "home");

  /** @param npm true if this machine's npm downloads are already there */
  constructor(readonly registry: Registry, { npm }: { readonly npm: boolean }) {
    const [bin, cache] = [join(this.#root, "bin"), join(this.home, ".cache/deno")];
    for (const folder of [this.folder, bin, cache]) Deno.mkdirSync(folder, { recursive: true });
    Deno.symlinkSync(Deno.execPath(), join(bin, "deno"));
    if (npm) Deno.symlinkSync(join(denoDir, "npm"), join(cache, "npm"));
  }

  /**
   * Types a command.
   * @returns its exit code and everything that it printed
   */
  async type(words: readonly string[]) {
    const kept = ["DENO_CERT", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"].map((name) => [name, Deno.env.get(name)]);
    const bins = [join(this.#root, "bin"), join(this.home, ".deno/bin"), "/usr/bin", "/bin"];
    const [program, ...args] = words;
    const { code, stdout, stderr } = await new Deno.Command("env", {
      args: [program!, ...args],
      cwd: this.folder,
      clearEnv: true,
      env: {
        ...Object.fromEntries(kept.filter(([, value]) => value !== undefined)),
        HOME: this.home,
        PATH: bins.join(":"),
        NO_COLOR: "1",
        JSR_URL: this.registry.url,
      },
    }).output();
    const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { code, out: out!, error: error!, all: `${out}${error}` };
  }

  /** Types a command that must succeed. */
  async do(...words: string[]): Promise<string> {
    const { code, all } = await this.type(words);
    assertEquals(code, 0, `${words.join(" ")}\n${all}`);
    return all;
  }

  write(name: string, text: string): void {
    Deno.writeTextFileSync(join(this.folder, name), text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#root, { recursive: true });
  }
}

/** Publishes the toolkit under test to a stand-in for the registry. */
export async function publish(): Promise<Registry> {
  const registry = new Registry();
  const { code, stderr } = await registry.publish();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return registry;
}
