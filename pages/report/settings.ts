import { stringify } from "yaml";
import type { ReportStage } from "./model.ts";
import { copyButton, type Html, markup, shorten, table } from "./text.ts";

/** The characters of settings that a page keeps twice. */
const MOST_COPIED = 20_000;

/** Returns the params of all stages with their origins, and a button that copies them as a pipeline file has them. */
export function settingsOf(stages: readonly ReportStage[]): Html[] {
  const known = stages.filter(({ params }) => params.length > 0);
  if (known.length === 0) return [];
  const tables = known.map(({ id, kind, params }) => {
    const rows = params.map(({ path, value, origin }) => [
      markup`<code>${shorten(path)}</code>`,
      markup`<code>${shorten(JSON.stringify(value))}</code>`,
      shorten(origin.join(" ← ")),
    ]);
    const shown = table(["param", "value", "from"], rows);
    return markup`<details><summary><code>${id}</code> (${kind})</summary>${shown}</details>`;
  });
  const yaml = settingsYaml(known);
  const button = yaml.length > MOST_COPIED ? markup`` : markup`<p>${copyButton("Copy all as YAML", yaml)}</p>`;
  return [button, ...tables];
}

/** Returns stages with their params as YAML. */
function settingsYaml(stages: readonly ReportStage[]): string {
  const all: Tree = new Map();
  for (const { id, kind, params } of stages) {
    put(all, ["stages", id, "uses"], kind);
    for (const { path, value } of params) put(all, ["stages", id, ...path.split(".")], value);
  }
  return stringify(all);
}

type Tree = Map<string, unknown>;

function put(tree: Tree, [key, ...more]: readonly string[], value: unknown): void {
  if (more.length === 0) tree.set(key!, value);
  else put(tree.getOrInsertComputed(key!, () => new Map()) as Tree, more, value);
}
