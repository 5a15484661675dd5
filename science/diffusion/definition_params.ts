/** The parts of a Zod object that definitions need. */
export interface DefinitionParams {
  /** The schema of each param. */
  readonly shape: Readonly<Record<string, unknown>>;
  /** Types of the params before and after parsing. */
  readonly _zod: { readonly input: object; readonly output: object };
}

/** Params as their schema outputs them. */
export type ParamsOf<P extends DefinitionParams> = P["_zod"]["output"];

/**
 * Initial values of a parameter. `zeros` and `ones`; `normal`: N(0, normal^2); `uniform`: uniform in [-uniform,
 * uniform]; `scale`: variance scaling (fan average, uniform), in +-sqrt(3 scale / mean(fanIn, fanOut)).
 */
export type Init =
  | "zeros"
  | "ones"
  | { readonly normal: number }
  | { readonly uniform: number }
  | { readonly scale: number; readonly fanIn: number; readonly fanOut: number };

/** One parameter of a network. */
export interface ParameterSpec {
  /** Unique in the network; the parameter's name in the files of a checkpoint. */
  readonly name: string;
  /** Positive integers; [] is one number. */
  readonly shape: readonly number[];
  /** The initial values. */
  readonly init: Init;
}

/** Height, width and channels of images, or of their latents. */
export interface ImageSizes {
  /** Height, in pixels. */
  readonly height: number;
  /** Width, in pixels. */
  readonly width: number;
  /** Number of channels. */
  readonly channels: number;
}
