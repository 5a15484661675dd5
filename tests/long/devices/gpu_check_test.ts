import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { findNvidiaCard } from "../../../science/tensor/gpus.ts";
import { findTorch } from "../../../science/tensor/torch/installation.ts";
import { findInstallation } from "../../../science/tensor/tensorflow/installation.ts";
import { onlyIf } from "../../support/proc.ts";

const TOOL = fileURLToPath(new URL("../../gpu/check.ts", import.meta.url));

async function check(...options: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", TOOL, "--python", "/nowhere/python", ...options],
    // No adapter: a software adapter would take minutes for the checks.
    env: { NO_COLOR: "1", DENO_WEBGPU_BACKEND: "dx12" },
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

Deno.test({
  ...onlyIf(
    findInstallation(false) !== undefined,
    "TensorFlow is not set up",
    "gpu:check rehearses all that it does on a card, and says that there was none",
  ),
  async fn() {
    const { code, stdout, stderr } = await check("--rehearse", "--json");
    assertEquals(code, 0, stderr);
    const { rehearsal, rows } = JSON.parse(stdout) as { rehearsal: boolean; rows: Record<string, string>[] };
    assert(rehearsal);
    assertMatch(rows[0]!["result"]!, /^no card was used/);
    const results = (on: string) =>
      rows.filter((row) => row["on"] === on).map(({ check, result }) => `${check}: ${result}`);
    const [device, parity, cifar, digits, ...more] = results("tensorflow");
    assertMatch(device!, /^device: TensorFlow .* \(tensorflow-cpu\//);
    assertMatch(parity!, /^parity, in float32: \d{2,3} operations right; at most [\d.]+ roundings off$/);
    assertMatch(cifar!, /^cifar.yaml, \d+ channels x [\d,]+, batch 2: [\d.]+ images\/s$/);
    assertMatch(digits!, /^digits.yaml, \d+ channels x [\d,]+, batch 2: [\d.]+ images\/s$/);
    assertEquals(more, []);
    if ("folder" in findTorch()) {
      assertMatch(results("torch")[0]!, /^device: PyTorch .* \(torch-cpu\//);
      assertMatch(results("torch")[1]!, /^parity, in float32: \d{2,3} operations right/);
      assertEquals(results("torch").slice(2), ["training of digits.yaml, killed: resumed, equal bytes"]);
      for (const name of ["torch fp32", "torch tf32"]) {
        assertEquals(results(name).map((row) => row.replace(/.*: [\d.]+ /, "")), ["images/s", "images/s"]);
      }
    }
    assertEquals(results("onnx"), ["training of digits.yaml, killed: resumed, equal bytes"]);
    assertMatch(results("webgpu")[0]!, /^device: none: no GPU driver/);
    assertEquals(results("PyTorch tf32").length, 2);
    assertMatch(results("PyTorch tf32")[0]!, /: skipped: /);
  },
});

Deno.test({
  ...onlyIf(
    findNvidiaCard() === undefined,
    "this machine has a card",
    "gpu:check without a card is refused with what each device lacks",
  ),
  async fn() {
    const { code, stdout, stderr } = await check();
    assertEquals([code, stdout], [2, ""], stderr);
    assertMatch(
      stderr,
      /device, tensorflow-gpu, none: [^]*error: Cannot check: no device here computes on a graphics card/,
    );
  },
});
