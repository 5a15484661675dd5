import { assert, assertEquals, assertMatch } from "@std/assert";
import { ask } from "../../../../../engine/cluster/slurm/ask.ts";
import { setVariable } from "../../../../support/own_process.ts";

Deno.test("a command gets what finds programs and Slurm, and nothing else of the environment", async () => {
  setVariable("NOISELINE_TEST_ASKED", "of nobody's business");
  const { ok, stdout } = await ask("env", []);
  setVariable("NOISELINE_TEST_ASKED", undefined);
  assert(ok);
  const names = stdout.trim().split("\n").map((line) => line.split("=")[0]!);
  assert(names.includes("PATH"));
  const allowed = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_ALL|TZ|LD_LIBRARY_PATH|SLURM_CONF)$/;
  assertEquals(names.filter((name) => !allowed.test(name)), []);
});

Deno.test("arguments reach a command as they are, and what it reads", async () => {
  const hostile = ["; touch /tmp/x", "$(id)", "a b", "*"];
  assertEquals((await ask("printf", ["%s\n", ...hostile])).stdout, `${hostile.join("\n")}\n`);
  assertEquals((await ask("cat", [], { stdin: "lines\n" })).stdout, "lines\n");
  assertEquals(await ask("true", [], { stdin: "x".repeat(1 << 20) }), { ok: true, stdout: "", said: "", spoke: false });
});

Deno.test("a command that is not there, says nothing, says too much or may be given up", async () => {
  assertMatch((await ask("no-such-program", [])).said, /^there is no no-such-program on the PATH of /);
  assertEquals((await ask("false", [])).said, "false ended with code 1");
  const endless = await ask("yes", []);
  assertEquals([endless.ok, endless.said], [false, "its answer has no end"]);
  const waiting = "echo 'x: error: sleeping and retrying' >&2; exec sleep 600";
  const given = await ask("sh", ["-c", waiting], { hopeless: /retrying/ });
  assertEquals(given, { ok: false, stdout: "", said: "sleeping and retrying", spoke: false });
  assertEquals((await ask("sh", ["-c", "kill $$"])).killed, true);
});
