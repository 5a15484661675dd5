import { Option } from "@commander-js/extra-typings";
import { actionsOf, type Pipeline } from "noiseline/core";
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
      const { labels, ...graph } = graphOf(pipeline);
      return { data: graph, lines: (options.format === "dot" ? toDot : toMermaid)(graph, labels) };
    }));
}

type Graph = Omit<ReturnType<typeof graphOf>, "labels">;

function graphOf({ name, stages: all }: Pipeline) {
  const stages = [...all.values()];
  const actions = actionsOf(stages).filter(({ view }) => view !== undefined);
  return {
    pipeline: name,
    nodes: actions.map(({ id, stage: { kind }, division }) => ({ id, kind: kind.name, ...division })),
    /** The kind of each stage, and how the stage is divided. */
    labels: actions.map(({ stage: { kind }, division: { shards } }) =>
      shards === undefined ? kind.name : `${kind.name} in ${shards} shards`
    ),
    edges: stages.flatMap(({ id: to, inputs }) =>
      Object.entries(inputs).flatMap(([input, bindings]) =>
        bindings.map(({ stage: from, port: output, type }) => ({ from, output, to, input, type }))
      )
    ),
    /** Stages that another stage waits for without reading their results. */
    waits: stages.flatMap(({ id, needs }) => needs.map((from) => ({ from, to: id, why: "needs" }))),
  };
}

/** Mermaid reserves some words and characters in node names, so nodes are numbered and carry their ids as labels. */
function toMermaid({ nodes, edges, waits }: Graph, labels: readonly string[]): string[] {
  const names = new Map(nodes.map(({ id }, index) => [id, `s${index}`]));
  return [
    "flowchart TD",
    ...nodes.map(({ id }, i) => `  ${names.get(id)}["${id}<br/>${labels[i]}"]`),
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
function toDot({ pipeline, nodes, edges, waits }: Graph, labels: readonly string[]): string[] {
  const arrow = (from: string, to: string, label: string, more = "") =>
    `  ${quoteDot(from)} -> ${quoteDot(to)} [label=${quoteDot(label)}${more}];`;
  return [
    `digraph ${quoteDot(pipeline)} {`,
    "  node [shape=box];",
    // A line break in a label is the escape \n. Quoting would escape its backslash, so two quoted texts are joined.
    ...nodes.map(({ id }, i) =>
      `  ${quoteDot(id)} [label=${quoteDot(id).slice(0, -1)}\\n${quoteDot(labels[i]!).slice(1)}];`
    ),
    ...edges.map(({ from, output, to }) => arrow(from, to, output)),
    ...waits.map(({ from, to, why }) => arrow(from, to, why, ", style=dashed")),
    "}",
  ];
}
