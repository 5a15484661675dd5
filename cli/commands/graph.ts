import { Option } from "@commander-js/extra-typings";
import type { Pipeline } from "noiseline/engine";
import { type AnyCommand, type CliSettings, pipelineCommand, printingAnswer } from "../command.ts";
import { loadForCommand } from "../open.ts";

const EXAMPLES = `
  deno task graph pipelines/digits.yaml
  deno task graph pipelines/digits.yaml --format dot | dot -Tsvg > digits.svg
  deno task graph pipelines/digits.yaml --json`;

/** `graph FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("graph", EXAMPLES)
    .addOption(
      new Option("--format <format>", "language of the graph").choices(["mermaid", "dot"] as const)
        .default("mermaid" as const),
    )
    .action(printingAnswer(async (file, options) => {
      const { pipeline } = await loadForCommand(settings, { file, ...options });
      const graph = graphOf(pipeline);
      return { data: graph, lines: (options.format === "dot" ? toDot : toMermaid)(graph) };
    }));
}

type Graph = ReturnType<typeof graphOf>;

function graphOf({ name, stages: all }: Pipeline) {
  const stages = [...all.values()];
  return {
    pipeline: name,
    nodes: stages.map(({ id, kind, shards }) => ({ id, kind: kind.name, shards })),
    edges: stages.flatMap(({ id: to, inputs }) =>
      Object.entries(inputs).flatMap(([input, bindings]) =>
        bindings.map(({ stage: from, port: output, type }) => ({ from, output, to, input, type }))
      )
    ),
    /** Stages that another stage waits for without reading their results. */
    waits: stages.flatMap(({ id, needs }) => needs.map((from) => ({ from, to: id, why: "needs" }))),
  };
}

function labelOf({ kind, shards }: Graph["nodes"][number]): string {
  return shards === undefined ? kind : `${kind} in ${shards} shards`;
}

/** Mermaid reserves some words and characters in node names, so nodes are numbered and carry their ids as labels. */
function toMermaid({ nodes, edges, waits }: Graph): string[] {
  const names = new Map(nodes.map(({ id }, index) => [id, `s${index}`]));
  return [
    "flowchart TD",
    ...nodes.map((node) => `  ${names.get(node.id)}["${node.id}<br/>${labelOf(node)}"]`),
    ...edges.map(({ from, output, to }) => `  ${names.get(from)} -->|${output}| ${names.get(to)}`),
    ...waits.map(({ from, to, why }) => `  ${names.get(from)} -.->|${why}| ${names.get(to)}`),
  ];
}

/**
 * Quotes a text for DOT. Only a quote ends such a text, but a backslash starts an escape, such as that of a line break.
 */
function quoteDot(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/**
 * Returns the graph in DOT. Quoted ids may contain any character, so stages keep their ids, also those of matrix
 * children with `~` and `=`.
 */
function toDot({ pipeline, nodes, edges, waits }: Graph): string[] {
  const arrow = (from: string, to: string, label: string, more = "") =>
    `  ${quoteDot(from)} -> ${quoteDot(to)} [label=${quoteDot(label)}${more}];`;
  return [
    `digraph ${quoteDot(pipeline)} {`,
    "  node [shape=box];",
    // A line break in a label is the escape \n. Quoting would escape its backslash, so two quoted texts are joined.
    ...nodes.map((node) =>
      `  ${quoteDot(node.id)} [label=${quoteDot(node.id).slice(0, -1)}\\n${quoteDot(labelOf(node)).slice(1)}];`
    ),
    ...edges.map(({ from, output, to }) => arrow(from, to, output)),
    ...waits.map(({ from, to, why }) => arrow(from, to, why, ", style=dashed")),
    "}",
  ];
}
