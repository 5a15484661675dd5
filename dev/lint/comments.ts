/**
 * Rules of `deno lint` for comments: the first words of a comment say what something is or does, and its lines are
 * short enough to read.
 *
 * @module
 */

/** Openings that make a reader wait for the subject of the sentence. */
const RIDDLE = /^[\s*]*(?:@\w+ )?(What|Of|Whether)\b/;
const MAX_COLUMNS = 120;

type Comment = ReturnType<Deno.lint.SourceCode["getAllComments"]>[number];

/** Makes a rule from a function that says what is wrong with a comment of a text, if anything is. */
function ruleOf(find: (comment: Comment, text: string) => Readonly<Record<"message" | "hint", string>> | undefined) {
  return {
    create: (context: Deno.lint.RuleContext) => ({
      Program() {
        for (const node of context.sourceCode.getAllComments()) {
          const found = find(node, context.sourceCode.text);
          if (found !== undefined) context.report({ node, ...found });
        }
      },
    }),
  };
}

const plugin: Deno.lint.Plugin = {
  name: "noiseline",
  rules: {
    "comment-opening": ruleOf(({ value }) => {
      const word = RIDDLE.exec(value)?.[1];
      const hint = "say first what it does or is: a noun phrase, or a verb and its object";
      return word === undefined ? undefined : { message: `A comment opens with "${word}"`, hint };
    }),
    "comment-width": ruleOf(({ range: [start, end] }, text) => {
      const lines = text.slice(text.lastIndexOf("\n", start) + 1, end).split("\n");
      const widest = Math.max(...lines.map((line) => [...line].length));
      const message = `A line of a comment has ${widest} columns; ${MAX_COLUMNS} are allowed`;
      return widest > MAX_COLUMNS ? { message, hint: "break it" } : undefined;
    }),
  },
};

export default plugin;
