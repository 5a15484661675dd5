/**
 * Pipelines in TypeScript. Their types follow from the kinds: `uses: "train"` gives `with` the params of that kind, and
 * `inputs` its ports. All of this is for editors and `deno check`; the same checks as for YAML decide when it is loaded.
 */
import type { InputPorts, StageDefinition } from "../contract/stage.ts";
import type { KindTable, PipelineFileInput, StageFileInput } from "../schemas/types.ts";

/** The names of the built-in kinds. */
export type KindName = keyof KindTable;

/** A text that is nothing but an expression: it takes the value that it names, with its type. */
export type Expression = `\${${string}}`;
/** A text that has an expression in it, such as `ldm/${matrix.family}`. */
export type TextWithExpression = `${string}\${${string}}${string}`;

/** Whether a type is one literal, as the `name` that tells samplers apart is. It must stay one for TypeScript to tell. */
export type IsOneText<T, All = T> = T extends string ? string extends T ? false : [All] extends [T] ? true : false
  : false;

/** A value as a pipeline may write it: as it is, or with expressions in place of it or of any part. */
export type Written<T> = WrittenValue<NonNullable<T>> | Extract<T, null | undefined>;

/** What {@linkcode Written} makes of a value that is there. */
export type WrittenValue<T> = [T] extends [string]
  ? IsOneText<T> extends true ? T : string extends T ? string : T | TextWithExpression
  : Part<T>;

/** What {@linkcode Written} makes of a value that is no single text. */
export type Part<T> = T extends string ? T | TextWithExpression
  : T extends number | boolean ? T | Expression
  : T extends readonly (infer Item)[] ? readonly Written<Item>[] | Expression
  : T extends object ? { [K in keyof T]: Written<T[K]> } | Expression
  : T;

/** Params of which any may be left out or removed. */
export type PartlyWritten<T> = { [K in keyof T]?: Written<T[K]> | null };

/** What stages of all kinds have. */
export type StageFields = Readonly<Omit<StageFileInput, "uses" | "inputs" | "with">>;

/** A reference, or several for a port that takes a list. */
export type References = string | readonly string[];
/** What the input ports of a definition may read. */
export type PortsOf<I extends InputPorts> = { readonly [K in keyof I]?: References };

/** What the input ports of a built-in kind may read. */
export type Inputs<Name extends KindName> = { readonly [K in KindTable[Name]["inputs"]]?: References };

/** The params of a stage: `with` may be left out where none is needed. */
export type With<P> = Record<never, never> extends P ? { readonly with?: { [K in keyof P]: Written<P[K]> } }
  : { readonly with: { [K in keyof P]: Written<P[K]> } };

/** A stage of one built-in kind. */
export type StageOf<Name extends KindName> =
  & StageFields
  & { readonly uses: Name; readonly inputs?: Inputs<Name> }
  & With<KindTable[Name]["params"]>;

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

/** What a pipeline has besides its stages. */
export type PipelineFields = Omit<PipelineFileInput, "stages" | "extends">;

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

/** A stage with the params and ports of a definition. */
export type CustomStageOf<D> = D extends StageDefinition<infer P, infer I, infer _O>
  ? StageFields & { readonly uses: OpenStage["uses"]; readonly inputs?: PortsOf<I> } & With<P["_zod"]["input"]>
  : never;
