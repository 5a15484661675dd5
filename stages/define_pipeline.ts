/**
 * Pipelines in TypeScript. Types follow from the kinds: `uses: "train"` gives `with` the params of that kind, and
 * `inputs` its ports. These types only help editors and `deno check`; when a pipeline is loaded, the same checks apply
 * as to YAML.
 */
import type { InputPorts, StageDefinition } from "../engine/contract/stage.ts";
import type { KindTable, PipelineFileInput, StageFileInput } from "../schemas/types.ts";

/** The names of the built-in kinds. */
export type KindName = keyof KindTable;

/** A text that consists of one expression. It takes the value that the expression names, with its type. */
export type Expression = `\${${string}}`;
/** A text that contains an expression, such as `ldm/${matrix.family}`. */
export type TextWithExpression = `${string}\${${string}}${string}`;

/**
 * True if a type is a single literal, such as the `name` that distinguishes samplers. A literal must stay one, so that
 * TypeScript can tell the samplers apart.
 */
export type IsOneText<T, All = T> = T extends string ? string extends T ? false : [All] extends [T] ? true : false
  : false;

/** A value as a pipeline may write it: literally, or with expressions in place of the value or any part of it. */
export type Written<T> = WrittenValue<NonNullable<T>> | Extract<T, null | undefined>;

/** The part of {@linkcode Written} for a value that is not null or undefined. */
export type WrittenValue<T> = [T] extends [string]
  ? IsOneText<T> extends true ? T : string extends T ? string : T | TextWithExpression
  : Part<T>;

/** The part of {@linkcode Written} for a value that is not a single text. */
export type Part<T> = T extends string ? T | TextWithExpression
  : T extends number | boolean ? T | Expression
  : T extends readonly (infer Item)[] ? readonly Written<Item>[] | Expression
  : T extends object ? { [K in keyof T]: Written<T[K]> } | Expression
  : T;

/** Params, any of which may be left out or removed. */
export type PartlyWritten<T> = { [K in keyof T]?: Written<T[K]> | null };

/** The fields that stages of all kinds have. */
export type StageFields = Readonly<Omit<StageFileInput, "uses" | "inputs" | "with">>;

/** A reference, or several for a port that takes a list. */
export type References = string | readonly string[];
/** The references of a definition's input ports. */
export type PortsOf<I extends InputPorts> = { readonly [K in keyof I]?: References };

/** The references of a built-in kind's input ports. */
export type Inputs<Name extends KindName> = { readonly [K in KindTable[Name]["inputs"]]?: References };

/** The params of a stage: `with` may be left out if no param is required. */
export type With<P> = Record<never, never> extends P ? { readonly with?: { [K in keyof P]: Written<P[K]> } }
  : { readonly with: { [K in keyof P]: Written<P[K]> } };

/** A stage of one built-in kind. */
export type StageOf<Name extends KindName> =
  & StageFields
  & { readonly uses: Name; readonly inputs?: Inputs<Name> }
  & With<KindTable[Name]["params"]>;

/** A custom stage, or one whose kind is an expression: params and ports are checked when the pipeline is loaded. */
export type OpenStage = StageFields & {
  readonly uses: `.${string}` | `/${string}` | TextWithExpression;
  readonly inputs?: Readonly<Record<string, References>>;
  readonly with?: Readonly<Record<string, unknown>>;
};

/** A stage of a pipeline that extends no other. */
export type StageInput = { [Name in KindName]: StageOf<Name> }[KindName] | OpenStage;

/** A stage that changes one of an extended file: fields that are left out stay, and null removes one. */
export type StageChange =
  | {
    [Name in KindName]: StageFields & {
      readonly uses: Name;
      readonly inputs?: { readonly [K in keyof Inputs<Name>]?: References | null };
      readonly with?: PartlyWritten<KindTable[Name]["params"]>;
    };
  }[KindName]
  | OpenStage
  | StageFields & {
    readonly uses?: never;
    readonly inputs?: Readonly<Record<string, References | null>>;
    readonly with?: Readonly<Record<string, unknown>>;
  };

/** The fields of a pipeline besides its stages. */
export type PipelineFields = Omit<PipelineFileInput, "stages" | "extends">;

/** A pipeline file in TypeScript. */
export type PipelineInput =
  | PipelineFields & { readonly extends?: undefined; readonly stages: Readonly<Record<string, StageInput>> }
  | PipelineFields & {
    readonly extends: string | readonly string[];
    readonly stages: Readonly<Record<string, StageChange | null>>;
  };

/** Define a pipeline in TypeScript: the default export of a file that the commands accept like a YAML file. */
export function definePipeline(pipeline: PipelineInput): PipelineInput {
  return pipeline;
}

/**
 * Define a custom stage with the types of its definition, which is imported as a type only, so that its code does not
 * run here: `customStage<typeof import("./blur.ts").default>({ uses: "./blur.ts", with: { radius: 2 } })`.
 */
export function customStage<D>(stage: CustomStageOf<D>): OpenStage {
  return stage as unknown as OpenStage;
}

/** A stage with the params and ports of a definition. */
export type CustomStageOf<D> = D extends StageDefinition<infer P, infer I, infer _O>
  ? StageFields & { readonly uses: OpenStage["uses"]; readonly inputs?: PortsOf<I> } & With<P["_zod"]["input"]>
  : never;
