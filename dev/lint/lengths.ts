/**
 * A rule of `deno lint` for functions outside tests: a long one says why in the line above it, after
 * `deno-lint-ignore lengths/function --`.
 *
 * @module
 */

/** A function of this many lines is long. */
const LONG_LINES = 170;

const plugin: Deno.lint.Plugin = {
  name: "lengths",
  rules: {
    function: {
      create(context) {
        if (/(^|[\\/])tests[\\/]/.test(context.filename)) return {};
        return {
          "FunctionDeclaration, FunctionExpression, ArrowFunctionExpression"({ range }: Deno.lint.Node) {
            const lines = context.sourceCode.text.slice(...range).split("\n").length;
            if (lines < LONG_LINES) return;
            const hint = "name its steps, or write above it: deno-lint-ignore lengths/function -- the reason";
            context.report({ range: [range[0], range[0]], message: `A function has ${lines} lines`, hint });
          },
        };
      },
    },
  },
};

export default plugin;
