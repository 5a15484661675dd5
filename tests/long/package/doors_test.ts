import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { findBlocks, ROOT } from "../../docs/blocks.ts";
import { NAME, publish, User } from "../../support/package_user.ts";

/** Returns the modules of a page by their names, as whoever added the package writes them. */
function modulesOf(page: string): Record<string, string> {
  const blocks = findBlocks(Deno.readTextFileSync(join(ROOT, "docs", page)), page).filter((one) =>
    one.language === "ts"
  );
  return Object.fromEntries(blocks.map(({ text }) => {
    const name = /^\/\/ ([\w-]+\.ts)\n/.exec(text)![1]!;
    return [name, text.replaceAll(/"noiseline(?=[/"])/g, '"@noiseline/noiseline')];
  }));
}

Deno.test("whoever adds the package trains a function of TF.js through ./tensor, without a pipeline", async () => {
  await using registry = await publish();
  await using user = new User(registry, { npm: true });
  await user.do("deno", "add", NAME, "npm:@tensorflow/tfjs-core@4.22.0");
  for (const [name, text] of Object.entries(modulesOf("tensor.md"))) user.write(name, text);
  await user.do("deno", "check", "spirals.ts");
  const said = await user.do("deno", "run", "-A", "spirals.ts");
  assertStringIncludes(said, "6 arrays of weights");
  const losses = Array.from(said.matchAll(/loss (\d\.\d+)/g), ([, loss]) => Number(loss));
  // Guessing has a loss of ln 2 = 0.693.
  assert(losses.length === 3 && losses.at(-1)! < 0.2, said);
});

Deno.test("whoever adds the package runs a cached pipeline of stages of their own through ./engine", async () => {
  await using registry = await publish();
  await using user = new User(registry, { npm: true });
  await user.do("deno", "add", NAME, "npm:zod@4.6.7");
  for (const [name, text] of Object.entries(modulesOf("engine.md"))) user.write(name, text);
  await user.do("deno", "check", "words.ts");
  const said = await user.do("deno", "run", "-A", "words.ts");
  const first = ["split: ran", "tally: ran", "tell: ran", "three: 3"];
  // The second run computes only what can give other bytes: `tally` comes out as before.
  const second = ["split: ran", "tally: ran", "tell: cached", "done"];
  const lines = said.split("\n").filter((line) => [...first, ...second].includes(line));
  assertEquals(lines, [...first, ...second], said);
  assertStringIncludes(said, 'tell: { state: "may-run"');
  // No code of diffusion or of tensors is loaded for it.
  const { modules } = JSON.parse(await user.do("deno", "info", "--json", "words.ts"));
  assertEquals(
    modules.map((one: { specifier: string }) => one.specifier).filter((one: string) => /tfjs|diffusion\//.test(one)),
    [],
  );
});
