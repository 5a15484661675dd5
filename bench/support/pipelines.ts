/** A pipeline of `count` tiny stages in chains of ten, as YAML. */
export function chainPipeline(count: number): string {
  const lines = ["name: chains", "stages:"];
  for (let i = 0; i < count; i++) {
    const first = i % 10 === 0;
    lines.push(`  s${i}:`, `    uses: ${first ? "bench-source" : "bench-copy"}`);
    if (!first) lines.push(`    inputs: { from: s${i - 1} }`);
    lines.push(`    with: { value: ${i} }`);
  }
  return `${lines.join("\n")}\n`;
}
