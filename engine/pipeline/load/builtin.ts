import { pathToFileURL } from "node:url";
import type { z } from "zod";
import type { BuiltinKind, DeviceFinding, TryDevice } from "../../../contract/stage.ts";
import type { ParamIssue, ParamsOutcome } from "../../../schemas/param_issue.ts";
import { rolesOf } from "../../../schemas/roles.ts";
import type { Kind } from "../../keys/stage.ts";
import type { Described, Fit, Unfit } from "../../process/describe.ts";
import { DEVICE_MODULE } from "../../process/module_lock.ts";
import { noteLocated } from "../../process/read_log.ts";
import { validateParams } from "../../process/schema_issues.ts";
import { mapLeaves } from "../source/tree.ts";

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
  const found = outcome.ok ? builtin.locate?.(outcome.params) : undefined;
  if (!outcome.ok || found === undefined) return outcome;
  noteLocated();
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

/** Custom stages find their devices as built-in kinds do; nothing of it is loaded before one may run. */
async function findDevice(params: unknown, tryDevice: TryDevice): Promise<DeviceFinding> {
  const { findStageDevice } = await import(DEVICE_MODULE) as Record<"findStageDevice", typeof findDevice>;
  return await findStageDevice(params, tryDevice);
}

/** What a file says of params. They travel as JSON, which has no NaN; built-in schemas refuse that by themselves. */
export function fitOf(found: Described, raw: unknown): Fit {
  const issues: ParamIssue[] = [];
  mapLeaves(raw, (input, path) => {
    if (typeof input === "number" && !Number.isFinite(input)) {
      issues.push({ code: "invalid_type", path, message: "a finite number", input });
    }
    return input;
  });
  return issues.length > 0 ? { outcome: { ok: false, issues }, facts: {} } : found.fitOf(raw);
}

/** A custom stage, as the engine sees it; or why the file is none. @param written its path as the pipeline writes it */
export function fromFile(written: string, found: Described | Unfit): Kind | Unfit {
  if ("error" in found) return found;
  const { file, code, stage, sort } = found;
  if (stage === undefined) return { error: `it defines a ${sort}, not a stage`, fix: "name it in the params of one" };
  const { device, ...said } = stage;
  return {
    ...said,
    ...device && { device: findDevice },
    name: written,
    version: `code:${code.digest}`,
    custom: true,
    entry: pathToFileURL(file).href,
    modules: code.modules,
    files: code.files,
    map: () => code.map,
    validate: (raw) => {
      const fit = fitOf(found, raw);
      return "error" in fit ? { ok: false, issues: [] } : fit.outcome;
    },
  };
}
