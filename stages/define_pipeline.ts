/**
 * Pipelines in TypeScript. Their types follow from the kinds: `uses: "train"` gives `with` the params of that kind, and
 * `inputs` its ports. All of this is for editors and `deno check`; the same checks as for YAML decide when it is loaded.
 */
import type { z } from "zod";
import type { BuiltinKind, InputPorts, StageDefinition } from "../contract/stage.ts";
import type { PipelineFileInput } from "../schemas/pipeline_file.ts";
import type * as all from "./mod.ts";

/** The built-in kinds by name: each is exported as `<name>Kind`; a test holds the two together. */
type Kinds = { [K in keyof typeof all as K extends `${infer Name}Kind` ? Name : never]: (typeof all)[K] };

/** The names of the built-in kinds. */
export type KindName = keyof Kinds;

/** A text that is nothing but an expression: it takes the value that it names, with its type. */
export type Expression = `\${${string}}`;
/** A text that has an expression in it, such as `ldm/${matrix.family}`. */
type TextWithExpression = `${string}\${${string}}${string}`;

/** Whether a type is one literal, as the `name` that tells samplers apart is. It must stay one for TypeScript to tell. */
type IsOneText<T, All = T> = T extends string ? string extends T ? false : [All] extends [T] ? true : false : false;

/** A value as a pipeline may write it: as it is, or with expressions in place of it or of any part. */
export type Written<T> = WrittenValue<NonNullable<T>> | Extract<T, null | undefined>;

type WrittenValue<T> = [T] extends [string]
  ? IsOneText<T> extends true ? T : string extends T ? string : T | TextWithExpression
  : Part<T>;

type Part<T> = T extends string ? T | TextWithExpression
  : T extends number | boolean ? T | Expression
  : T extends readonly (infer Item)[] ? readonly Written<Item>[] | Expression
  : T extends object ? { [K in keyof T]: Written<T[K]> } | Expression
  : T;

type PartlyWritten<T> = { [K in keyof T]?: Written<T[K]> | null };

/** What stages of all kinds have. */
type StageFields = Readonly<Omit<PipelineFileInput["stages"][string], "uses" | "inputs" | "with">>;

/** A reference, or several for a port that takes a list. */
type References = string | readonly string[];
type PortsOf<I extends InputPorts> = { readonly [K in keyof I]?: References };

type Params<K> = K extends BuiltinKind<infer P, infer _I, infer _O> ? z.input<P> : never;
type Inputs<K> = K extends BuiltinKind<infer _P, infer I, infer _O> ? PortsOf<I> : never;

/** `with` may be left out where no param is needed. */
type With<P> = Record<never, never> extends P ? { readonly with?: { [K in keyof P]: Written<P[K]> } }
  : { readonly with: { [K in keyof P]: Written<P[K]> } };

/** A stage of one built-in kind. */
export type StageOf<Name extends KindName> =
  & StageFields
  & { readonly uses: Name; readonly inputs?: Inputs<Kinds[Name]> }
  & With<Params<Kinds[Name]>>;

/** A stage of the user's own, or of a kind that an expression names: params and ports are checked when it is loaded. */
export type OpenStage = StageFields & {
  readonly uses: `.${string}` | `/${string}` | TextWithExpression;
  readonly inputs?: Readonly<Record<string, References>>;
  readonly with?: Readonly<Record<string, unknown>>;
};

/** A stage of a pipeline that stands on its own. */
export type StageInput = { [Name in KindName]: StageOf<Name> }[KindName] | OpenStage;

/** A stage that is laid over one of another file: what it leaves out stays, null removes. */
export type StageChange =
  | {
    [Name in KindName]: StageFields & {
      readonly uses: Name;
      readonly inputs?: { readonly [K in keyof Inputs<Kinds[Name]>]?: References | null };
      readonly with?: PartlyWritten<Params<Kinds[Name]>>;
    };
  }[KindName]
  | OpenStage
  | StageFields & {
    readonly uses?: never;
    readonly inputs?: Readonly<Record<string, References | null>>;
    readonly with?: Readonly<Record<string, unknown>>;
  };

type PipelineFields = Omit<PipelineFileInput, "stages" | "extends">;

/** A pipeline file in TypeScript. */
export type PipelineInput =
  | PipelineFields & { readonly extends?: undefined; readonly stages: Readonly<Record<string, StageInput>> }
  | PipelineFields & {
    readonly extends: string | readonly string[];
    readonly stages: Readonly<Record<string, StageChange | null>>;
  };

/** A pipeline in TypeScript: the default export of a file that the commands take like a YAML file. */
export function definePipeline(pipeline: PipelineInput): PipelineInput {
  return pipeline;
}

/**
 * A stage of the user's own with the types of its definition, which is imported as a type only, so that its code does not
 * run here: `customStage<typeof import("./blur.ts").default>({ uses: "./blur.ts", with: { radius: 2 } })`.
 */
export function customStage<D>(stage: CustomStageOf<D>): OpenStage {
  return stage as unknown as OpenStage;
}

export type CustomStageOf<D> = D extends StageDefinition<infer P, infer I, infer _O>
  ? StageFields & { readonly uses: OpenStage["uses"]; readonly inputs?: PortsOf<I> } & With<z.input<P>>
  : never;
