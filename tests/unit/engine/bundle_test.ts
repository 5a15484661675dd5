import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bundleForBrowsers } from "../../../engine/process/bundle.ts";
import { digestCode } from "../../../engine/process/code_digest.ts";
import type { UserCode } from "../../../engine/keys/stage.ts";
import { sha256Of } from "../../../engine/store/reading.ts";
import { makeTemporaryFolder } from "../../../engine/store/folders.ts";

/**
 * A kind's code: the bundle stores the data that it is started with in a global, and `noiseline` contains only
 * `define`.
 */
const BROWSER = `export const define = (one) => ({ ...one, defined: true });
export const start = (given) => { globalThis.started = given; };
`;

/** Makes a separate place for bundles; each bundle gets another folder. */
async function lab() {
  const temporary = await makeTemporaryFolder();
  const { folder } = temporary;
  const write = (name: string, text: string) => {
    Deno.writeTextFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const browser = pathToFileURL(write("main.ts", BROWSER)).href;
  const kept = join(folder, "kept");
  let count = 0;
  return {
    folder,
    write,
    kept: () => [...Deno.readDirSync(kept)].map(({ name }) => join(kept, name)),
    async bundle(...files: string[]) {
      const codes = await Promise.all(files.map(async (name) => {
        const file = join(folder, name);
        const code = await digestCode(file);
        if ("error" in code) throw new Error(code.error);
        return { ...code, file, uses: `./${name}`, sort: "network", param: null } satisfies UserCode & typeof code;
      }));
      const map = codes.length === 0 ? {} : { map: () => codes[0]!.map };
      return await bundleForBrowsers(
        { browser, userCode: codes, ...map },
        join(folder, `${count++}`),
        kept,
      ) as Readonly<
        Record<"file" | "message" | "fix", string>
      >;
    },
    [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose](),
  };
}

Deno.test("a bundle starts the kind's code with the definitions, runs none of them before, and gives equal bytes", async () => {
  await using one = await lab();
  one.write("half.ts", "export const half: number = 1 / 2;\n");
  one.write(
    "net.ts",
    `import { define } from "noiseline"; import { half } from "./half.ts"; export default define({ half });\n`,
  );
  const first = await one.bundle("net.ts");
  // The bundle is evaluated here because it contains only this test's own code.
  await import(pathToFileURL(first.file).href);
  const { definitions } = (globalThis as unknown as { started: { definitions: Record<string, unknown>[] } }).started;
  assertEquals(definitions.map(({ code, ...rest }) => [typeof code, rest]), [
    ["string", { sort: "network", uses: "./net.ts", definition: { half: 0.5, defined: true } }],
  ]);
  one.write("net.ts", `throw new Error("It ran"); export default 1;\n`);
  assert("file" in await one.bundle("net.ts"));

  await using other = await lab();
  other.write("half.ts", "export const half: number = 1 / 2;\n");
  other.write(
    "net.ts",
    `import { define } from "noiseline"; import { half } from "./half.ts"; export default define({ half });\n`,
  );
  const there = await other.bundle("net.ts");
  assertEquals(Deno.readTextFileSync(there.file), Deno.readTextFileSync(first.file));
});

Deno.test("a bundle is kept until a module changes, and made again where it is damaged", async () => {
  await using one = await lab();
  const text = async () => Deno.readTextFileSync((await one.bundle()).file);
  const made = await text();
  const [kept] = one.kept();
  const whole = Deno.readTextFileSync(kept!);
  const { mtime } = Deno.statSync(kept!);
  assertEquals([await text(), Deno.statSync(kept!).mtime], [made, mtime]);
  for (const damaged of [whole.slice(0, -1), whole.replace("started", "stopped"), "", "//\n"]) {
    Deno.writeTextFileSync(kept!, damaged);
    assertEquals([await text(), Deno.readTextFileSync(kept!)], [made, whole]);
  }
  // Other users may have changed a bundle in a folder that they may write to.
  const evil = JSON.stringify("globalThis.started = 'evil';");
  if (Deno.build.os !== "windows") {
    Deno.writeTextFileSync(kept!, `${sha256Of(evil)}\n${evil}`);
    Deno.chmodSync(kept!, 0o666);
    assertEquals([await text(), Deno.readTextFileSync(kept!), Deno.statSync(kept!).mode! & 0o777], [
      made,
      whole,
      0o600,
    ]);
  }
  one.write("main.ts", BROWSER.replace("started", "begun"));
  assertStringIncludes(await text(), "begun");
  assertEquals(one.kept().length, 2);
});

Deno.test("what no browser has is named with the file that wants it", async () => {
  await using one = await lab();
  one.write("net.ts", `import { readImages } from "noiseline"; export default readImages;\n`);
  const { message, fix } = await one.bundle("net.ts");
  assertStringIncludes(message, "cannot bundle its code for browsers: ");
  assertStringIncludes(message, `No matching export in `);
  assertStringIncludes(message, `"readImages"`);
  assertStringIncludes(message, "net.ts");
  assertEquals(fix, "let the files of your own that a page needs import what a browser has");
  assertEquals(await bundleForBrowsers({ userCode: [] }, join(one.folder, "none")), undefined);
});

Deno.test("a module that only Deno has is named with the line that imports it, unless nothing in the page needs it at once", async () => {
  await using one = await lab();
  const net = (text: string) => one.write("net.ts", `import type { Stats } from "node:fs";\n${text}\n`);
  net(`import fs from "node:fs";\nexport default (): Stats => fs.statSync("a");`);
  const { message, fix } = await one.bundle("net.ts");
  assertEquals(
    message,
    `cannot bundle its code for browsers: node:fs is in no browser; it is imported at ${one.folder}/net.ts:2`,
  );
  assertEquals(fix, "let the files of your own that a page needs import what a browser has");
  for (const text of [`import fs from "node:fs";`, `export const later = () => import("node:os");`]) {
    net(`${text}\nexport default 1;`);
    assert("file" in await one.bundle("net.ts"), text);
  }
});
