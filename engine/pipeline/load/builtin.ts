import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { BuiltinKind, DeviceFinding, TryDevice } from "../../../contract/stage.ts";
import type { ParamIssue } from "../../../schemas/param_issue.ts";
import { rolesOf } from "../../../schemas/roles.ts";
import type { Kind } from "../../keys/stage.ts";
import type { Described, Fit, Unfit } from "../../process/describe.ts";
import { DEVICE_MODULE } from "../../process/module_lock.ts";
import { validate } from "../../process/schema_issues.ts";
import { mapLeaves } from "../source/tree.ts";

/** Returns the path of the file of user code that `uses` names; undefined for the name of something built in. */
export function userFile(uses: unknown, folder: string): string | undefined {
  const isPath = typeof uses === "string" && (/^\.{0,2}\//.test(uses) || /\.[mc]?[jt]s$/.test(uses));
  return isPath ? resolve(folder, uses) : undefined;
}

/** Returns a built-in kind as the engine sees it. */
export function fromBuiltin(builtin: BuiltinKind): Kind {
  const { kind, version, params, ...rest } = builtin;
  return {
    seeded: false,
    permissions: {},
    resources: {},
    ...rest,
    name: kind,
    version: `${kind}/${version}`,
    custom: false,
    userCode: [],
    roles: rolesOf(params),
    validate: (raw) => validate(params, raw),
  };
}

/** Finds the device of a custom stage, as built-in kinds do; the code for this is loaded only if a stage may run. */
async function findDevice(params: unknown, tryDevice: TryDevice): Promise<DeviceFinding> {
  const { findStageDevice } = await import(DEVICE_MODULE) as Record<"findStageDevice", typeof findDevice>;
  return await findStageDevice(params, tryDevice);
}

/** Checks params with the code of a file. They travel as JSON, which has no NaN; built-in schemas refuse NaN anyway. */
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

/**
 * Returns a custom stage as the engine sees it, or why the file does not define one.
 * @param written the file's path as the pipeline writes it
 */
export function fromFile(written: string, found: Described | Unfit): Kind | Unfit {
  if ("error" in found) return found;
  const { file, code: { digest, modules, files, map }, stage, sort } = found;
  if (stage === undefined) return { error: `it defines a ${sort}, not a stage`, fix: "name it in the params of one" };
  const { device, ...said } = stage;
  return {
    ...said,
    ...device && { device: findDevice },
    name: written,
    version: `code:${digest}`,
    custom: true,
    entry: pathToFileURL(file).href,
    userCode: [{ param: null, sort, file, uses: written, digest, modules, files }],
    map: () => map,
    validate: (raw) => {
      const fit = fitOf(found, raw);
      return "error" in fit ? { ok: false, issues: [] } : fit.outcome;
    },
  };
}
