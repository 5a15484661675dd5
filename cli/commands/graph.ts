import { Option } from "@commander-js/extra-typings";
import type { Pipeline } from "noiseline/engine";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { printJson, printLine } from "../io.ts";
import { loadForCommand, pipelineCommand } from "../load.ts";

const EXAMPLES = `
Examples:
  deno task graph pipelines/digits.yaml
  deno task graph pipelines/digits.yaml --format dot | dot -Tsvg > digits.svg
  deno task graph pipelines/digits.yaml --json`;

/** `graph FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("graph").summary("Print the stages as a graph, for Mermaid or Graphviz")
    .description("Print the stages and what they read, as a Mermaid flowchart or in the DOT language of Graphviz.")
    .addOption(
      new Option("--format <format>", "language of the graph").choices(["mermaid", "dot"] as const)
        .default("mermaid" as const),
    )
    .option("--json", "print nodes and edges as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file, options) => {
      const { pipeline } = await loadForCommand(settings, { file, ...options });
      if (options.json) printJson(toJson(pipeline));
      else for (const line of options.format === "dot" ? toDot(pipeline) : toMermaid(pipeline)) printLine(line);
    });
}

function edgesOf(pipeline: Pipeline) {
  return [...pipeline.stages.values()].flatMap((stage) =>
    Object.entries(stage.inputs).flatMap(([port, bindings]) =>
      bindings.map((binding) => ({
        from: binding.stage,
        output: binding.port,
        to: stage.id,
        input: port,
        type: binding.type,
      }))
    )
  );
}

/** What stages wait for without reading it. */
function waitsOf(pipeline: Pipeline) {
  return [...pipeline.stages.values()].flatMap(({ id, needs }) =>
    needs.map((from) => ({ from, to: id, why: "needs" }))
  );
}

function toJson(pipeline: Pipeline) {
  const nodes = [...pipeline.stages.values()].map(({ id, kind }) => ({ id, kind: kind.name }));
  return { pipeline: pipeline.name, nodes, edges: edgesOf(pipeline), waits: waitsOf(pipeline) };
}

/** Mermaid reserves some words and characters in node names, so nodes are numbered and carry their ids as labels. */
function toMermaid(pipeline: Pipeline): string[] {
  const names = new Map([...pipeline.stages.keys()].map((id, index) => [id, `s${index}`]));
  const nodes = [...pipeline.stages.values()].map(({ id, kind }) => `  ${names.get(id)}["${id}<br/>${kind.name}"]`);
  const edges = edgesOf(pipeline).map(({ from, output, to }) => `  ${names.get(from)} -->|${output}| ${names.get(to)}`);
  const waits = waitsOf(pipeline).map(({ from, to, why }) => `  ${names.get(from)} -.->|${why}| ${names.get(to)}`);
  return ["flowchart TD", ...nodes, ...edges, ...waits];
}

/** A text in DOT: only the quote ends it, but a backslash starts an escape such as that of a line break. */
function quoteDot(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** Quoted, ids of DOT may be anything, so the stages keep theirs; the children of a matrix hold `~` and `=`. */
function toDot(pipeline: Pipeline): string[] {
  const nodes = [...pipeline.stages.values()].map(({ id, kind }) => {
    // A line break between two quoted texts is the escape \n, which quoting would take apart.
    const label = `${quoteDot(id).slice(0, -1)}\\n${quoteDot(kind.name).slice(1)}`;
    return `  ${quoteDot(id)} [label=${label}];`;
  });
  const edges = edgesOf(pipeline).map(({ from, output, to }) =>
    `  ${quoteDot(from)} -> ${quoteDot(to)} [label=${quoteDot(output)}];`
  );
  const waits = waitsOf(pipeline).map(({ from, to, why }) =>
    `  ${quoteDot(from)} -> ${quoteDot(to)} [label=${quoteDot(why)}, style=dashed];`
  );
  return [`digraph ${quoteDot(pipeline.name)} {`, "  node [shape=box];", ...nodes, ...edges, ...waits, "}"];
}
