import type { z } from "zod";
import type { BuiltinKind } from "../../../contract/stage.ts";
import type { ParamsOutcome } from "../../../schemas/param_issue.ts";
import { rolesOf } from "../../../schemas/roles.ts";
import type { Kind } from "../../keys/stage.ts";
import { noteLocated } from "../../process/read_log.ts";
import { validateParams } from "../../process/schema_issues.ts";

/** Whether what `uses` says is a file of the user's own. */
export function isCustom(uses: string): boolean {
  return /^\.{0,2}\//.test(uses) || /\.[mc]?[jt]s$/.test(uses);
}

/** Located files become params like those that the user gave, so that all that follows treats them alike. */
export function validateBuiltin(
  builtin: BuiltinKind,
  raw: unknown,
  params: z.ZodObject = builtin.params,
): ParamsOutcome {
  const outcome = validateParams(params, raw);
  if (!outcome.ok || builtin.locate === undefined) return outcome;
  const found = builtin.locate(outcome.params);
  noteLocated({ kind: builtin.kind, params: outcome.params, found });
  return { ok: true, params: { ...outcome.params, ...found } };
}

/** A kind that comes with the toolkit, as the engine sees it. */
export function fromBuiltin(builtin: BuiltinKind): Kind {
  const { kind, version, params, locate: _, ...rest } = builtin;
  return {
    seeded: false,
    permissions: {},
    resources: {},
    ...rest,
    name: kind,
    version: `${kind}/${version}`,
    custom: false,
    roles: rolesOf(params),
    validate: (raw) => validateBuiltin(builtin, raw),
  };
}
