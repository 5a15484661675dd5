import { FINAL_TERM, HALF_WORD, POSITION_STEP, siteOffset } from "../../random/counter_words.ts";
import { gridOf, KEEP_MASK, type KeepMaskAttributes, keepRule } from "../../random/keep_mask.ts";
import { reshape, scalar, slice } from "../emit/shape.ts";
import { binary, cast, scale } from "../emit/elementwise.ts";
import type { Graph, Value } from "../graph.ts";
import type { TranslationTable } from "./translation.ts";

/**
 * The graph version of `counterWords` and `keepMask` of `science/tensor/random`, with the same bits; the formulas are
 * there.
 */
export const RANDOM: TranslationTable = {
  [KEEP_MASK]: ({ graph, input, attributes }) => {
    const { shape, site, rate }: KeepMaskAttributes = attributes;
    const { threshold, scale: kept } = keepRule(rate);
    const { images, size } = gridOf(shape);
    const word = (index: 0 | 1) => {
      const key = cast(graph, slice(graph, input("key"), [{ axis: 0, start: index, count: 1 }]), "uint32");
      return binary(graph, "Add", key, constant(graph, siteOffset(site, index)));
    };
    const position = mixPositions(graph, size, word(0));
    const image = mixPositions(graph, images, word(1));
    const column = (value: Value) => reshape(graph, value, [images, 1]);

    const second = binary(graph, "Add", position.second, column(image.second));
    const odd = binary(graph, "Add", doubledPlusOne(graph, position.first), column(doubled(graph, image.first)));
    const y = carryDown(graph, binary(graph, "Mul", second, odd));
    const words = binary(graph, "Mul", y, binary(graph, "Add", y, constant(graph, FINAL_TERM)));
    const keep = binary(graph, "GreaterOrEqual", words, constant(graph, threshold), "bool");
    return reshape(graph, scale(graph, cast(graph, keep, "float32"), kept), shape);
  },
};

function mixPositions(graph: Graph, count: number, word: Value): { first: Value; second: Value } {
  const bounds = [0, count, 1].map((bound) => scalar(graph, "int32", bound));
  // Depends on constants alone: engines compute it when they load the graph.
  const numbers = cast(graph, graph.operation("Range", bounds, "int32", [count]), "uint32");
  const start = binary(graph, "Mul", numbers, constant(graph, POSITION_STEP));
  const first = mix(graph, binary(graph, "Add", start, word));
  return { first, second: mix(graph, first) };
}

function mix(graph: Graph, u: Value): Value {
  return carryDown(graph, binary(graph, "Mul", u, doubledPlusOne(graph, u)));
}

function carryDown(graph: Graph, r: Value): Value {
  return binary(graph, "Add", r, binary(graph, "Div", r, constant(graph, HALF_WORD)));
}

function doubled(graph: Graph, u: Value): Value {
  return binary(graph, "Add", u, u);
}

function doubledPlusOne(graph: Graph, u: Value): Value {
  return binary(graph, "Add", doubled(graph, u), constant(graph, 1));
}

function constant(graph: Graph, value: number): Value {
  return scalar(graph, "uint32", value);
}
