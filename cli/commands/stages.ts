import { dirname } from "node:path";
import { type BuiltinKind, describeFile, describeParams, fromFile, type Kind, userFile } from "noiseline/engine";
import { rightsOf, suggestName } from "noiseline/core";
import { type Answer, type AnyCommand, type CliSettings, plainCommand, printingAnswer } from "../command.ts";
import { formatTable, refuse } from "../io.ts";

const EXAMPLES = `
  deno task stages
  deno task stages train
  deno task stages train.model   # one param and those within it
  deno task stages ./my_stage.ts # also a network, objective, path, sampler or augmentation`;

/** `stages [KIND]` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return plainCommand("stages", EXAMPLES)
    .argument("[kind]", "a kind, one of its params as KIND.PARAM, or a file of your own")
    .action(printingAnswer(async (name) => {
      const all = await settings.loadKinds();
      if (name === undefined) {
        const kinds = Object.values(all);
        return { data: kinds.map(toJson), lines: formatTable(kinds.map(({ kind, summary }) => [kind, summary])) };
      }
      const file = userFile(name, ".");
      if (file !== undefined) return await describeCustom(name, file);
      const [id = "", ...path] = name.split(".");
      const kind = Object.hasOwn(all, id) ? all[id] : undefined;
      if (kind === undefined) refuse(`unknown kind "${id}"`, suggestName(id, Object.keys(all)));
      const params = paramsOf(kind);
      if (path.length === 0) return { data: toJson(kind), lines: describeKind(name, kind, params) };
      const wanted = path.join(".");
      const found = params.filter((one) => one.name === wanted || one.name.startsWith(`${wanted}.`));
      if (found.length > 0) return { data: found, lines: sectionOfParams(found) };
      const fix = suggestName(wanted, params.map((one) => one.name));
      refuse(`unknown param of ${id} "${wanted}"`, fix);
    }));
}

function toJson(all: BuiltinKind) {
  const { kind, summary, version, inputs, outputs, seeded = false, definitions = {} } = all;
  return { kind, summary, version, inputs, outputs, seeded, definitions, params: paramsOf(all) };
}

/** Describes the params of a kind, and which of them user definitions may replace. */
export function paramsOf({ params, definitions = {} }: BuiltinKind): ReturnType<typeof describeParams> {
  const own = (sort: string) => `or ${/^[ao]/.test(sort) ? "an" : "a"} ${sort} of your own: { uses: ./${sort}.ts, … }`;
  const whole = definitions[""] === undefined ? [] : [{
    ...{ name: "uses", type: "string", role: "identity" as const },
    description: `Your own ${definitions[""]} file, instead of the params above; its params stand beside this one`,
  }];
  return [
    ...describeParams(params).map((one) => {
      const sort = definitions[one.name];
      return sort === undefined ? one : { ...one, description: `${one.description}; ${own(sort)}` };
    }),
    ...whole,
  ];
}

/** Describes a custom stage or a definition, which is loaded in a process without permissions. */
async function describeCustom(written: string, file: string): Promise<Answer> {
  const found = await describeFile(file);
  if ("error" in found) refuse(`cannot use ${written}: ${found.error}`, found.fix);
  const { sort, params } = found;
  if (sort !== "stage") {
    return {
      data: { file, sort, params },
      lines: [`${written}: definition of sort ${sort}`, ...sectionOfParams(params)],
    };
  }
  const kind = fromFile(written, found) as Kind;
  const { summary, inputs, outputs, seeded, permissions, roles } = kind;
  const rights = rightsOf({ kind, params: {}, declared: {} }, dirname(file), false).flatMap((request) =>
    request.rights
  );
  const device = kind.device !== undefined;
  const files = Object.keys(roles).filter((name) => roles[name]!.role === "external");
  const asks = [
    ...rights.map((right) => right === "native" ? [right, permissions.native!.join(", ")] : right.split(/=(.*)/s)),
    ...(device ? [["device", "native, unless the param device names wasm or webgpu"]] : []),
    ...(files.length > 0 ? [["read", `what ${files.join(", ")} names outside the pipeline's folder`]] : []),
  ];
  return {
    data: { file, summary, inputs, outputs, seeded, device, permissions, rights, params },
    lines: [...describeKind(written, kind, params), ...section("asks for", asks)],
  };
}

function section(title: string, rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  return [`\n${title}`, ...formatTable(rows.map(([first, ...more]) => [`  ${first}`, ...more]))];
}

function describeKind(
  name: string,
  { summary, inputs, outputs }: Pick<Kind, "summary" | "inputs" | "outputs">,
  params: ReturnType<typeof describeParams>,
): string[] {
  const read = Object.entries(inputs).map(([name, { type, optional, list, description }]) => {
    return [name, `${[type].flat().join(" | ")}${list ? "[]" : ""}${optional ? "?" : ""}`, description];
  });
  const made = Object.entries(outputs).map(([name, { type, description }]) => [name, type, description]);
  return [`${name}: ${summary}`, ...section("inputs", read), ...section("outputs", made), ...sectionOfParams(params)];
}

function sectionOfParams(params: ReturnType<typeof describeParams>): string[] {
  const rows = params.map(({ name, type, fallback, role, description }) => {
    const value = fallback === undefined ? "" : `= ${JSON.stringify(fallback)}`;
    return [name, type, value, role === "identity" ? description : `[${role}] ${description}`];
  });
  return section("params", rows);
}
