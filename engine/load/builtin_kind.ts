import { rolesOf } from "../../schemas/roles.ts";
import type { BuiltinKind } from "../../stages/contract.ts";
import type { Kind, ParamsOutcome } from "../kind.ts";
import { noteLocated } from "./read_log.ts";
import { validateParams } from "./schema_issues.ts";

/** Located files become params like those that the user gave, so that all that follows treats them alike. */
function validateBuiltin(builtin: BuiltinKind, raw: unknown): ParamsOutcome {
  const outcome = validateParams(builtin.params, raw);
  if (!outcome.ok || builtin.locate === undefined) return outcome;
  const found = builtin.locate(outcome.params);
  noteLocated({ kind: builtin.kind, params: outcome.params, found });
  return { ok: true, params: { ...outcome.params, ...found } };
}

/** A kind that comes with the toolkit, as the engine sees it. */
export function fromBuiltin(builtin: BuiltinKind): Kind {
  return {
    name: builtin.kind,
    version: `${builtin.kind}/${builtin.version}`,
    custom: false,
    summary: builtin.summary,
    inputs: builtin.inputs,
    outputs: builtin.outputs,
    seeded: builtin.seeded ?? false,
    permissions: builtin.permissions ?? {},
    resources: builtin.resources ?? {},
    runs: builtin.runs,
    entry: builtin.entry,
    roles: rolesOf(builtin.params),
    validate: (raw) => validateBuiltin(builtin, raw),
    ...(builtin.check === undefined ? {} : { check: builtin.check }),
    ...(builtin.externals === undefined ? {} : { externals: builtin.externals }),
    ...(builtin.downloads === undefined ? {} : { downloads: builtin.downloads }),
    ...(builtin.slots === undefined ? {} : { slots: builtin.slots }),
    ...(builtin.pairs === undefined ? {} : { pairs: builtin.pairs }),
    ...(builtin.device === undefined ? {} : { device: builtin.device }),
  };
}
