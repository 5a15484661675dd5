import axe from "axe-core/axe.min.js" with { type: "text" };
import type { Page } from "./chromium.ts";

/** Returns what axe-core finds wrong on a page: its rule, and the first element that breaks the rule. */
export async function findViolations(page: Page): Promise<string[]> {
  await page.evaluate(`${axe}; globalThis.found = undefined; axe.run().then(({ violations }) => {
    found = violations.map(({ id, nodes }) => id + ": " + nodes[0].html.slice(0, 200) + " " + nodes[0].failureSummary);
  }); undefined`);
  for (;;) {
    const found = await page.evaluate("globalThis.found");
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
