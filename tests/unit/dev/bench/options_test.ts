import { assertEquals, assertStringIncludes } from "@std/assert";
import { CLONE, Running } from "../../../support/cli_process.ts";

/** Calls a benchmark; none of these calls gets as far as measuring. */
async function bench(name: string, args: readonly string[]) {
  const how = { cwd: CLONE, main: `${CLONE}dev/bench/${name}.ts`, denoFlags: ["--no-check"], env: { NO_COLOR: "1" } };
  await using running = new Running(args, how);
  const { code, stdout, stderr } = await running.outcome();
  return { code, out: stdout.trim().split("\n"), errors: stderr.trim().split("\n") };
}

Deno.test("a benchmark says all that is wrong with the values of its options at once, before it runs, and ends with 2", async () => {
  const wrong = [
    "--rounds",
    "0",
    "--cases",
    "digits,nosuch,smal",
    "--devices",
    "gpu9",
  ];
  const { code, errors } = await bench("steps", ["train", ...wrong, "--python", "/no/python"]);
  assertEquals(code, 2);
  const python = errors.pop()!;
  assertStringIncludes(python, `error: --python: got "/no/python"; wanted a Python with torch: Failed to spawn`);
  assertEquals(errors, [
    `error: --devices: got "gpu9"; use one of: auto, tensorflow-gpu, webgpu, onnx, torch, wasm`,
    `error: --cases: got "nosuch"; use one of: digits, small, paper`,
    `error: --cases: got "smal"; did you mean "small"?`,
    `error: --rounds: got "0"; wanted a whole number from 1`,
  ]);
});

Deno.test("numbers of benchmarks are whole and from 1, and options have values", async () => {
  for (const value of ["0", "1.5", "abc", "", "1e3"]) {
    const { code, errors } = await bench("engine", ["--tries", value]);
    assertEquals({ code, errors }, {
      code: 2,
      errors: [`error: --tries: got "${value}"; wanted a whole number from 1`],
    });
  }
  const { code, errors } = await bench("engine", ["--only", "nosuch", "--max", "5"]);
  assertEquals(code, 2);
  assertEquals(errors, [
    `error: --only: got "nosuch"; use one of: ninja, snakemake, dvc`,
    `error: --max: got "5"; use one of: 100, 1000, 10000`,
  ]);
});

Deno.test("a benchmark refuses options that it does not have, words beside them, and options without their value", async () => {
  const said: readonly (readonly [string, string])[] = [["--ronds=3", "'--ronds'"], ["extra", "'extra'"], [
    "--rounds",
    "'--rounds <value>' argument missing",
  ], ["--compile=x", "'--compile' does not take an argument"]];
  for (const [wrong, says] of said) {
    const { code, errors } = await bench("steps", ["train", wrong]);
    assertEquals(code, 2);
    assertStringIncludes(errors.join("\n"), says);
  }
});

Deno.test("every benchmark tells its usage", async () => {
  for (const name of ["engine", "scale", "steps", "digits", "metrics"]) {
    const mode = name === "steps" ? ["train"] : [];
    const { code, out } = await bench(name, [...mode, "--help", "--nosuch"]);
    assertEquals(code, 0);
    assertStringIncludes(out.join("\n"), "deno task bench:");
  }
});
