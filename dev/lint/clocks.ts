/**
 * A rule of `deno lint` for tests: none reads a clock, since a busy machine would decide how the test ends. Helpers in
 * `tests/support` read clocks: `clock.ts` for ages of files and moments of kills, `until.ts` for limits of waiting.
 *
 * @module
 */

const CLOCKS: readonly string[] = ["performance.now", "Date.now"];

const plugin: Deno.lint.Plugin = {
  name: "clocks",
  rules: {
    "no-clock-in-tests": {
      create(context) {
        if (!context.filename.endsWith("_test.ts")) return {};
        return {
          CallExpression(node) {
            const name = context.sourceCode.getText(node.callee);
            const hint = "count work (tests/support/work.ts), or wait for a condition (tests/support/until.ts)";
            if (CLOCKS.includes(name)) context.report({ node, message: `A test calls ${name}()`, hint });
          },
        };
      },
    },
  },
};

export default plugin;
