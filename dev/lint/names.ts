/**
 * A rule of `deno lint` for names from outside, such as the id of a stage. An object that begins as `{}` has members
 * that nobody put there: reading `constructor` from it gives a function. A dictionary is a Map, or an object without a
 * prototype, `Object.create(null)`.
 *
 * @module
 */

type Node = Deno.lint.Node;

/** True for an empty object. */
function isDictionary(node: Node | null): boolean {
  return node?.type === "ObjectExpression" && node.properties.length === 0;
}

const plugin: Deno.lint.Plugin = {
  name: "names",
  rules: {
    dictionary: {
      create(context) {
        const dictionaries = new Set<string>();
        return {
          VariableDeclarator({ id, init }) {
            if (id.type === "Identifier" && isDictionary(init)) dictionaries.add(id.name);
          },
          MemberExpression(node) {
            const { object, property, computed, parent } = node;
            if (!computed || property.type === "Literal" || object.type !== "Identifier") return;
            if (!dictionaries.has(object.name)) return;
            // A plain assignment asks for nothing that is there.
            if (parent.type === "AssignmentExpression" && parent.left === node && parent.operator === "=") return;
            const hint = "use a Map, or begin with Object.create(null)";
            context.report({ node, message: `${object.name} may answer with a member of Object.prototype`, hint });
          },
        };
      },
    },
  },
};

export default plugin;
