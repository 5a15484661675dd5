import type { Diagnostic } from "../../diagnostic/diagnostic.ts";
import type { Kind } from "../../keys/kind.ts";
import type { Stage } from "../../keys/stage.ts";
import { diagnosticAt } from "../../diagnostic/document.ts";
import type { Origins } from "../../diagnostic/document.ts";
import { parseStageId } from "../compose/reference.ts";

/** Lists whose items belong together must be as long as each other, and of the same children of a matrix. */
export function pairProblems(id: string, kind: Kind, inputs: Stage["inputs"], origins: Origins): Diagnostic[] {
  return (kind.pairs ?? []).flatMap(([left, right]): Diagnostic[] => {
    const [a, b] = [inputs[left] ?? [], inputs[right] ?? []];
    const odd = a.findIndex((one, index) => !belongTogether(one.stage, b[index]?.stage));
    if (a.length === b.length && odd < 0) return [];
    const [got, wanted] = a.length === b.length
      ? [`${b[odd]!.stage} for ${a[odd]!.stage}`, "the same children of a matrix in both"]
      : [`${b.length} for ${a.length}`, `one for each of ${left}`];
    const message = `${right} of stage "${id}" do not go with its ${left}`;
    const fix = `name stages over the same axes under ${left} and ${right}`;
    return [
      diagnosticAt(origins, ["stages", id, "inputs", right], { code: "bad-reference", message, got, wanted, fix }),
    ];
  });
}

/** Whether two stages have no axis of a matrix on which they differ. */
function belongTogether(left: string, right: string | undefined): boolean {
  if (right === undefined) return false;
  const [a, b] = [parseStageId(left).select, parseStageId(right).select];
  return Object.entries(a).every(([axis, label]) => b[axis] === undefined || b[axis] === label);
}
