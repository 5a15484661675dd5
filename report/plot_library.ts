import script from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import style from "uplot/dist/uPlot.min.css" with { type: "text" };
import type { PlotLibrary } from "./model.ts";

/** uPlot 1.6.32 (MIT), 50 kB: a page carries it. */
export const PLOT_LIBRARY: PlotLibrary = { script, style };
