import { isMachineTrouble } from "../store/trouble.ts";
import { MAX_TEXT } from "./lines.ts";
import type { StageOutcome } from "./protocol.ts";
import { explainRefusal, type OwnFolders, UNDECLARED_FIX } from "./refusal.ts";

/** Cut a text to what a message may hold. */
export function cutText(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

interface Said {
  readonly message: string;
  /** The message with its frames, as it is shown. */
  readonly stack: string;
  readonly kind: "refused" | "resources" | "bug";
}

/** Anything can be thrown, and a value may throw again when it is looked at. */
function read(thrown: unknown): Said {
  try {
    if (typeof thrown === "string") return { message: thrown, stack: thrown, kind: "bug" };
    if (!(thrown instanceof Error)) {
      const message = `it threw something that is not an Error: ${cutText(Deno.inspect(thrown))}`;
      return { message, stack: message, kind: "bug" };
    }
    const message = String(thrown.message);
    const stack = String(thrown.stack ?? message);
    const [head, frames] = stack.includes(message)
      ? [stack.slice(0, stack.indexOf(message)), stack.slice(stack.indexOf(message) + message.length)]
      : ["", `\n${stack}`];
    return {
      message,
      stack: `${head}${cutText(message)}${cutText(frames)}`,
      kind: thrown instanceof Deno.errors.NotCapable ? "refused" : isMachineTrouble(thrown) ? "resources" : "bug",
    };
  } catch {
    const message = "it threw a value that cannot be shown";
    return { message, stack: message, kind: "bug" };
  }
}

/** How a stage ended that threw. What it may not do and what the machine lacks are no bugs of it. */
export function outcomeOfThrow(thrown: unknown, folders: OwnFolders): StageOutcome {
  const { message, stack, kind } = read(thrown);
  const refused = explainRefusal(message, folders);
  if (refused !== undefined) return { status: "failed", message: cutText(refused.message), fix: cutText(refused.fix) };
  switch (kind) {
    case "refused":
      return { status: "failed", message: `the stage may not do this: ${cutText(message)}`, fix: UNDECLARED_FIX };
    case "resources":
      return { status: "failed", message: `cannot write: ${cutText(message)}`, fix: "free some space, then run again" };
    case "bug":
      return { status: "crashed", message: cutText(message), stack };
  }
}
