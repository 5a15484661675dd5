/**
 * Rules of `deno lint` for comments: the first words of a comment say what something is or does, and its lines are
 * short enough to read.
 *
 * @module
 */

/** Openings that make a reader wait for the subject of the sentence. */
const RIDDLE = /^[\s*]*(?:@\w+ )?(What|Of|Whether)\b/;
const MAX_COLUMNS = 120;

const plugin: Deno.lint.Plugin = {
  name: "noiseline",
  rules: {
    "comment-opening": {
      create: (context) => ({
        Program() {
          for (const comment of context.sourceCode.getAllComments()) {
            const word = RIDDLE.exec(comment.value)?.[1];
            if (word === undefined) continue;
            const [node, message] = [comment, `A comment opens with "${word}"`];
            context.report({
              node,
              message,
              hint: "say first what it does or is: a noun phrase, or a verb and its object",
            });
          }
        },
      }),
    },
    "comment-width": {
      create: (context) => ({
        Program() {
          const { sourceCode } = context;
          const { text } = sourceCode;
          for (const comment of sourceCode.getAllComments()) {
            const start = text.lastIndexOf("\n", comment.range[0]) + 1;
            const lines = text.slice(start, comment.range[1]).split("\n");
            const widest = Math.max(...lines.map((line) => [...line].length));
            const message = `A line of a comment has ${widest} columns; ${MAX_COLUMNS} are allowed`;
            if (widest > MAX_COLUMNS) context.report({ node: comment, message });
          }
        },
      }),
    },
  },
};

export default plugin;
