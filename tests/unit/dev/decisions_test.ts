import { assertEquals } from "@std/assert";
import plugin from "../../../dev/layers/decisions.ts";

const findingsIn = (path: string, code: string) =>
  Deno.lint.runPlugin(plugin, `/any/${path}`, code).map(({ message }) => message.split(" ").at(-1));

/** Facts that the planner decides about, as code might ask for them. */
const ASKED = [
  ["custom", "stage.kind.custom"],
  ["isTrusted", "isTrusted"],
  ["userCode", "stage.kind.userCode.length"],
  ["share", "planned?.share"],
  ["joins", "action.joins.length"],
  ["do", "action.do"],
  ["program.kind", "planned.program.kind"],
] as const;
/** Ways to branch on an expression. */
const BRANCHES: readonly ((asked: string) => string)[] = [
  (asked) => `if (${asked}) f();`,
  (asked) => `if (!${asked}) f();`,
  (asked) => `const x = ${asked} ? 1 : 2;`,
  (asked) => `const x = ${asked} === other ? 1 : 2;`,
  (asked) => `const x = { ...${asked} && { a } };`,
  (asked) => `const x = a || ${asked} > 0;`,
  (asked) => `while (${asked}) f();`,
  (asked) => `switch (${asked}) { default: f(); }`,
  (asked) => `all.filter((stage, planned, action, isTrusted) => ${asked} !== other);`,
];

for (const [fact, asked] of ASKED) {
  Deno.test(`code that is not the planner's is reported when it branches on ${fact}, and may hand it on`, () => {
    for (const branch of BRANCHES) {
      assertEquals(findingsIn("engine/run/some.ts", branch(asked)), [fact], branch(asked));
      for (const path of ["engine/plan/some.ts", "engine/keys/some.ts", "engine/pipeline/load/some.ts"]) {
        assertEquals(findingsIn(path, branch(asked)), []);
      }
    }
    assertEquals(findingsIn("cli/some.ts", `f(${asked}, ${asked} ?? 1, [...list, ${asked}]);`), []);
  });
}

Deno.test("a comparison with where code runs is reported under any name, and a file may ask only what it is allowed", () => {
  assertEquals(findingsIn("engine/process/some.ts", 'if (kind.runs === "inline") f();'), ["inline"]);
  assertEquals(findingsIn("engine/run/external_inputs.ts", "if (isTrusted) f(); else if (action.share) g();"), [
    "share",
  ]);
});
