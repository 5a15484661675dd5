/**
 * A rule of `deno lint` for the planner's decisions. The planner alone asks whose code an action runs, which share of a
 * stage the action computes or joins, and where it runs. All other code takes what was decided for the action, such as
 * its program, work, outputs and view.
 *
 * @module
 */

/** The files that decide: they make kinds, stages, actions and plans. */
const DECIDING = /\/engine\/(keys|plan|pipeline\/load)\//;

/** Other files that may ask, each with what it may ask and the reason. */
const ALLOWED: readonly (readonly [file: string, facts: readonly string[], reason: string])[] = [
  ["engine/diagnostic/schema_issues.ts", ["custom"], "means a code of Zod"],
  [
    "engine/run/local_executor.ts",
    ["program.kind", "inline", "isTrusted"],
    "chooses the executor of a program, and guards what user code reads, and the memory it takes",
  ],
  ["engine/run/external_inputs.ts", ["isTrusted"], "copies files for user code"],
  ["engine/run/run_recorder.ts", ["share"], "records parts of a stage apart from stages"],
  ["engine/process/context.ts", ["share"], "opens the output of a share"],
  ["engine/run/rights.ts", ["userCode"], "asks for the rights of user code"],
  ["engine/cluster/job_action.ts", ["custom"], "makes the kind that was submitted"],
  ["engine/cluster/trial.ts", ["custom"], "asks a node about noiseline's own modules"],
  ["engine/upkeep/replay.ts", ["shards"], "says why there is nothing to execute again"],
  ["cli/commands/graph.ts", ["shards"], "prints how a stage is divided"],
  ["cli/format/plan.ts", ["shards"], "prints how a stage is divided"],
];
const FACTS = ["custom", "isTrusted", "userCode", "share", "joins", "shards", "do", "inline", "program.kind"];

type Node = Deno.lint.Node;

/** Returns the fact that an expression reads, if it is one that the planner decides about. */
function factIn(node: Node | null): string | undefined {
  if (node?.type === "ChainExpression") return factIn(node.expression);
  if (node?.type === "Literal") return FACTS.find((fact) => fact === node.value);
  if (node?.type === "Identifier") return FACTS.find((fact) => fact === node.name);
  if (node?.type !== "MemberExpression" || node.property.type !== "Identifier") return undefined;
  const { name } = node.property;
  if (name === "length") return factIn(node.object);
  const owner = node.object.type === "MemberExpression" ? node.object.property : node.object;
  const full = owner.type === "Identifier" ? `${owner.name}.${name}` : name;
  return FACTS.find((fact) => fact === name || fact === full);
}

const plugin: Deno.lint.Plugin = {
  name: "layers",
  rules: {
    decisions: {
      create: (context) => {
        const path = context.filename.replaceAll("\\", "/");
        if (DECIDING.test(path)) return {};
        const allowed = ALLOWED.find(([file]) => path.endsWith(`/${file}`))?.[1] ?? [];
        const check = (...nodes: (Node | null)[]) => {
          for (const node of nodes) {
            const fact = factIn(node);
            if (fact === undefined || allowed.includes(fact)) continue;
            const hint = "let the planner decide, and give the action a field that says what follows";
            context.report({ node: node!, message: `only the planner may branch on ${fact}`, hint });
          }
        };
        return {
          IfStatement: ({ test }) => check(test),
          ConditionalExpression: ({ test }) => check(test),
          WhileStatement: ({ test }) => check(test),
          SwitchStatement: ({ discriminant }) => check(discriminant),
          UnaryExpression: ({ operator, argument }) => operator === "!" && check(argument),
          LogicalExpression: ({ operator, left, right }) => operator !== "??" && check(left, right),
          BinaryExpression: ({ operator, left, right }) => /[=<>]/.test(operator) && check(left, right),
        };
      },
    },
  },
};

export default plugin;
