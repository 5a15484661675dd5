/** The script of every page: it uses no network, and its data are in the element `data`. */
import { drawAll, drawIn } from "./charts.ts";
import { copyFigure, copyText } from "./copying.ts";
import { all, byId, on } from "./dom.ts";
import { chooseStep, setBeside, showFrames } from "./frames.ts";
import { enlarge } from "./grids.ts";
import { showMore, sortBy } from "./tables.ts";

on("load", ".frames img", enlarge, true);

// Parts that scroll by themselves do so by keys, too.
function focusScrollers(): void {
  for (const part of all(".scroll, .legend")) {
    const scrolls = part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight;
    part.classList.toggle("cut", part.scrollLeft + part.clientWidth < part.scrollWidth - 2);
    if (scrolls) part.tabIndex = 0;
    else part.removeAttribute("tabindex");
  }
}
new ResizeObserver(focusScrollers).observe(document.body);
on("scroll", "*", focusScrollers, true);

on("click", "[data-more]", showMore);
on("click", ".sort", (button) => sortBy(button.closest("th")!));
on<HTMLElement>("click", "[data-copy]", async (button) => {
  const { copy, form } = button.dataset;
  await (form === undefined ? copyText(copy!) : copyFigure(button.closest("figure, .chart, .drawn")!, form));
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1200);
});
// A chart has a width only where it is shown.
on<HTMLDetailsElement>("toggle", "details[open]", (part) => all(".charts", part).forEach(drawIn), true);
const unfold = () =>
  byId(decodeURIComponent(location.hash.slice(1)))?.querySelector("details")?.setAttribute("open", "");
addEventListener("hashchange", unfold);
unfold();

on("input", "#steps", chooseStep);
on("input", "#smoothing, #log-scale", drawAll);
on("input", "#cell, #left, #right, #edge", setBeside);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

// Paper is light, has its own width, and shows what is folded.
function setPaper(isPaper: boolean): void {
  document.documentElement.classList.toggle("paper", isPaper);
  for (const part of all<HTMLDetailsElement>(isPaper ? "section > details:not([open])" : "details[data-folded]")) {
    part.open = isPaper;
    part.toggleAttribute("data-folded", isPaper);
  }
  showFrames();
  drawAll();
}
addEventListener("beforeprint", () => setPaper(true));
addEventListener("afterprint", () => setPaper(false));
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== width) {
    drawAll();
    showFrames();
  }
  width = innerWidth;
});
showFrames();
drawAll();
