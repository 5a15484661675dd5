import axe from "axe-core/axe.min.js" with { type: "text" };
import type { Page } from "./chromium.ts";

async function lookOnce(page: Page): Promise<string[]> {
  await page.evaluate(`globalThis.found = undefined; axe.run().then(({ violations }) => {
    found = violations.map(({ id, nodes }) => id + ": " + nodes[0].html.slice(0, 200) + " " + nodes[0].failureSummary);
  }); undefined`);
  for (;;) {
    const found = await page.evaluate("globalThis.found");
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * Returns what axe-core finds wrong on a page: its rule, and the first element that breaks the rule.
 * A page is looked at again for ten seconds: on a busy machine the page's observers answer frames after a change.
 */
export async function findViolations(page: Page): Promise<string[]> {
  await page.evaluate(`${axe}; undefined`);
  const end = Date.now() + 10_000;
  for (;;) {
    const found = await lookOnce(page);
    if (found.length === 0 || Date.now() > end) return found;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
