import { escapeMarkup } from "../../std/escape.ts";

/** The name under which a notebook asks a value for its picture. */
export const display: unique symbol = Symbol.for("Jupyter.display");

/** The forms of a value, by media type; a notebook takes the best that it knows. */
export type Forms = Readonly<Record<string, string>>;

/** A value that a notebook of Deno's Jupyter kernel shows. */
export interface Shown {
  /** Returns its forms. */
  [display](): Forms;
}

/** Rows of texts below a head. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): Forms {
  const row = (tag: string, cells: readonly string[]) =>
    `<tr>${cells.map((cell) => `<${tag} style="text-align: left">${escapeMarkup(cell)}</${tag}>`).join("")}</tr>`;
  return {
    "text/html": `<table><thead>${row("th", head)}</thead><tbody>${rows.map((cells) => row("td", cells)).join("")}` +
      "</tbody></table>",
    "text/plain": [head, ...rows].map((cells) => cells.join("  ")).join("\n"),
  };
}

/** The part of Deno that exists in its Jupyter kernel alone. */
interface Kernel {
  display(
    forms: Forms,
    options: { readonly raw: true; readonly display_id: string; readonly update: boolean },
  ): unknown;
}

/** Returns a function that shows forms in one place of the cell's output, each in place of those before. */
export function placeInCell(): (forms: Forms) => Promise<void> {
  const kernel = kernelHere();
  const place = crypto.randomUUID();
  let update = false;
  return async (forms) => {
    await kernel?.display(forms, { raw: true, display_id: place, update });
    update = true;
  };
}

/** Returns the kernel that runs this code; undefined in any other program, where Deno throws an error. */
function kernelHere(): Kernel | undefined {
  try {
    return (Deno as unknown as { readonly jupyter: Kernel }).jupyter;
  } catch {
    return undefined;
  }
}
