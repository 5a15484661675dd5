/** The part of a page's script that draws error bars: plain JavaScript in the scope of `SCRIPT`. */
export const BARS_SCRIPT = `
  // The ends of error bars; on a logarithmic axis, some reach below all that it shows.
  const barsIn = (plot, bars = []) => bars.map(({ step, value, length }) => [step, Math.max(value - length, plot.scales.y.min), value + length]);
  const drawBars = (plot, series) => {
    for (const { bars, color } of series) {
      plot.ctx.beginPath();
      for (const [step, ...ends] of barsIn(plot, bars)) {
        const [x, low, high] = [plot.valToPos(step, "x", true), ...ends.map((end) => plot.valToPos(end, "y", true))];
        for (const [from, to] of [[[x, low], [x, high]], ...[low, high].map((y) => [[x - 4, y], [x + 4, y]])]) {
          plot.ctx.moveTo(...from);
          plot.ctx.lineTo(...to);
        }
      }
      Object.assign(plot.ctx, { strokeStyle: color, lineWidth: 1.5 * devicePixelRatio }).stroke();
    }
  };
`;
