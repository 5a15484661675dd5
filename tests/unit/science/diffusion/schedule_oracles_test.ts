// Numbers: computed once with numpy in float64 from the formulas of hojonathanho/diffusion (diffusion_utils_2.py),
// CompVis/latent-diffusion (make_beta_schedule), lucidrains/denoising-diffusion-pytorch (sigmoid_beta_schedule) and
// huggingface/diffusers (rescale_zero_terminal_snr), printed with 12 significant digits. Index t is 0-based.
import { assertEquals } from "@std/assert";
import { makeBetas, type ScheduleSpec } from "../../../../science/diffusion/schedule/betas.ts";
import { type DiffusionTables, makeTables } from "../../../../science/diffusion/schedule/tables.ts";
import type { TableName } from "../../../support/finite_tables.ts";
import { assertClose, TWELVE_DIGITS } from "./assert_close.ts";
import { boundWeights } from "../../../support/diffusion_references.ts";

const T = 1000;
const HO_LINEAR: ScheduleSpec = { name: "ldm/sqrt_linear", timesteps: T };
const LDM_LINEAR: ScheduleSpec = { name: "ldm/linear", timesteps: T };
const LDM_TYPICAL: ScheduleSpec = { ...LDM_LINEAR, linearStart: 0.0015, linearEnd: 0.0195 };
const STABLE_DIFFUSION: ScheduleSpec = { ...LDM_LINEAR, linearStart: 0.00085, linearEnd: 0.012 };
const COSINE: ScheduleSpec = { name: "ldm/cosine", timesteps: T };
const SQRT: ScheduleSpec = { name: "ldm/sqrt", timesteps: T };
const SIGMOID: ScheduleSpec = { name: "sigmoid", timesteps: T };

const BETA_TIMES = [0, 1, 499, 500, 998, 999];
const BETAS: [string, ScheduleSpec, number[]][] = [
  ["ldm/sqrt_linear", HO_LINEAR, [1e-4, 1.1991991992e-4, 0.01004004004, 0.01005995996, 0.0199800800801, 0.02]],
  ["ldm/linear", LDM_LINEAR, [1e-4, 0.000102648364351, 0.00572215114777, 0.00574207106769, 0.0199628085245, 0.02]],
  [
    "ldm/linear 0.0015..0.0195",
    LDM_TYPICAL,
    [0.0015, 0.00150783468205, 0.00794515699852, 0.00796317501654, 0.019471798646, 0.0195],
  ],
  [
    "ldm/linear 0.00085..0.012",
    STABLE_DIFFUSION,
    [0.00085, 0.000854698655406, 0.00480379298055, 0.00481495414171, 0.0119823763331, 0.012],
  ],
  [
    "ldm/cosine",
    COSINE,
    [4.1284224822e-05, 4.61417527367e-05, 0.00314588623048, 0.00315569144159, 0.749999392901, 0.999],
  ],
  ["ldm/sqrt", SQRT, [0.01, 0.0109507954012, 0.1002000002, 0.100299351742, 0.14135091114, 0.141421356237]],
  [
    "sigmoid",
    SIGMOID,
    [0.000300279199749, 0.000302004119187, 0.00330341551363, 0.00331436423586, 0.501356902918, 0.999],
  ],
];

const SIGNAL_TIMES = [0, 1, 99, 249, 499, 749, 998, 999];
const SIGNALS: [string, ScheduleSpec, number[]][] = [
  ["ldm/sqrt_linear", HO_LINEAR, [
    0.9999,
    0.999780092072,
    0.897018145675,
    0.524085373825,
    0.0785872428818,
    0.00335055043894,
    4.11819363814e-05,
    4.03582976538e-05,
  ]],
  ["ldm/linear", LDM_LINEAR, [
    0.9999,
    0.9997973619,
    0.971697113829,
    0.821521342302,
    0.333187767356,
    0.0386055117635,
    0.000748380060797,
    0.000733412459581,
  ]],
  ["ldm/linear 0.0015..0.0195", LDM_TYPICAL, [
    0.9985,
    0.99699442707,
    0.825084439265,
    0.510514300774,
    0.11584449081,
    0.00844483049013,
    0.000145134089946,
    0.000142303975192,
  ]],
  ["ldm/linear 0.00085..0.012", STABLE_DIFFUSION, [
    0.99915,
    0.998296027838,
    0.895462773495,
    0.675432413725,
    0.277669650456,
    0.0566234915983,
    0.00471669889988,
    0.00466009851308,
  ]],
  ["ldm/cosine", COSINE, [
    0.999958715775,
    0.999912575927,
    0.972092737114,
    0.847012161327,
    0.493843590441,
    0.144272102386,
    2.42876690703e-06,
    2.42876690703e-09,
  ]],
  ["ldm/sqrt", SQRT, [
    0.99,
    0.979158712553,
    0.0404958115654,
    4.16546199476e-06,
    6.11913209533e-16,
    8.16442665827e-29,
    3.75420574783e-44,
    3.22328087938e-44,
  ]],
  ["sigmoid", SIGMOID, [
    0.9996997208,
    0.999397807367,
    0.960507217274,
    0.85085354793,
    0.5,
    0.14914645207,
    0.000300279199749,
    3.00279199749e-07,
  ]],
];

const COLUMNS: TableName[] = [
  "sqrtAlphasCumprod",
  "sqrtOneMinusAlphasCumprod",
  "sqrtRecipAlphasCumprod",
  "sqrtRecipm1AlphasCumprod",
  "posteriorVariance",
  "posteriorLogVarianceClipped",
  "posteriorMeanCoef1",
  "posteriorMeanCoef2",
  "fixedLargeLogVariance",
];
const ROWS: [ScheduleSpec, number, number[]][] = [
  [HO_LINEAR, 0, [0.99994999875, 0.01, 1.00005000375, 0.0100005000375, 0, -9.8167251353, 1, 0, -9.8167251353]],
  [HO_LINEAR, 1, [
    0.99989003999,
    0.0148292929005,
    1.0001099721,
    0.014830923709,
    5.4531876613e-05,
    -9.8167251353,
    0.54529149951,
    0.454708498991,
    -9.02868637195,
  ]],
  [HO_LINEAR, 2, [
    0.999820125315,
    0.0189662072086,
    1.00017990705,
    0.0189696193629,
    8.54891152309e-05,
    -9.36712149737,
    0.388706835867,
    0.611293160288,
    -8.87501279137,
  ]],
  [HO_LINEAR, 99, [
    0.947110418945,
    0.320907859556,
    1.05584309917,
    0.338828348984,
    0.00203459625949,
    -6.19745787806,
    0.0190763453173,
    0.980896021316,
    -6.17920617137,
  ]],
  [HO_LINEAR, 499, [
    0.280334162887,
    0.959902472712,
    3.56717137041,
    3.42413661904,
    0.0100313554146,
    -4.60203955009,
    0.00307007111426,
    0.99410667021,
    -4.60117417667,
  ]],
  [HO_LINEAR, 999, [
    0.00635281808757,
    0.999979820648,
    157.410457252,
    157.40728081,
    0.0199999835266,
    -3.9120238291,
    0.000128351487172,
    0.989948678268,
    -3.91202300543,
  ]],
  [LDM_LINEAR, 1, [
    0.999898675817,
    0.0142351009661,
    1.00010133445,
    0.0142365434722,
    5.0656004274e-05,
    -9.89045278989,
    0.506534714105,
    0.493465284612,
    -9.18420134886,
  ]],
  [LDM_LINEAR, 99, [
    0.985746982663,
    0.168234616446,
    1.01445910319,
    0.170667138125,
    0.000520440145241,
    -7.56083567126,
    0.0184672207074,
    0.98153091152,
    -7.54245901619,
  ]],
  [LDM_LINEAR, 499, [
    0.57722419159,
    0.816585716654,
    1.73242912298,
    1.41467687694,
    0.00570569620498,
    -5.16629026894,
    0.00496759760593,
    0.994267402285,
    -5.1634104695,
  ]],
  [LDM_LINEAR, 999, [
    0.0270815889412,
    0.999633226509,
    36.9254552298,
    36.9119119516,
    0.0199997004283,
    -3.91203798413,
    0.000547532286591,
    0.989934665617,
    -3.91202300543,
  ]],
];

for (const [label, spec, wanted] of BETAS) {
  Deno.test(`makeBetas() gives the reference betas when the schedule is ${label}`, () => {
    const betas = makeBetas(spec);
    BETA_TIMES.forEach((t, i) => assertClose(betas[t]!, wanted[i]!, { ...TWELVE_DIGITS, label: `beta ${t}` }));
  });
}

Deno.test("makeBetas() gives the reference sums when T is 1000", () => {
  const sums: [ScheduleSpec, number][] = [
    [HO_LINEAR, 10.05],
    [LDM_LINEAR, 7.17428599775],
    [COSINE, 12.4414964171],
    [SQRT, 94.70208912],
    [{ name: "ho/warmup10", timesteps: T }, 19.005],
    [{ name: "ho/warmup50", timesteps: T }, 15.025],
    [{ name: "ho/const", timesteps: T }, 20],
    [{ name: "ho/jsd", timesteps: T }, 7.48547086055],
  ];
  for (const [spec, sum] of sums) {
    assertClose(makeBetas(spec).reduce((a, b) => a + b), sum, { ...TWELVE_DIGITS, label: spec.name });
  }
});

for (const [label, spec, wanted] of SIGNALS) {
  Deno.test(`makeTables() gives the reference alphasCumprod when the schedule is ${label}`, () => {
    const { alphasCumprod } = makeTables(makeBetas(spec));
    SIGNAL_TIMES.forEach((t, i) => assertClose(alphasCumprod[t]!, wanted[i]!, { ...TWELVE_DIGITS, label: `A ${t}` }));
  });
}

Deno.test("makeTables() gives the reference signal to noise ratios when the schedule is linear", () => {
  const rows: [ScheduleSpec, number[]][] = [
    [HO_LINEAR, [
      9999,
      4546.35765746,
      8.71044856935,
      1.10121720368,
      0.0852899444626,
      0.00336181436754,
      4.11836324031e-05,
      4.03599265117e-05,
    ]],
    [LDM_LINEAR, [
      9999,
      4933.90613264,
      34.332085709,
      4.6029108068,
      0.49967254805,
      0.0401557448435,
      0.000748940552973,
      0.000733950748204,
    ]],
  ];
  for (const [spec, wanted] of rows) {
    const { snr } = makeTables(makeBetas(spec));
    SIGNAL_TIMES.forEach((t, i) => assertClose(snr[t]!, wanted[i]!, { ...TWELVE_DIGITS, label: `snr ${t}` }));
  }
});

Deno.test("makeTables() gives the reference row of every derived table when the schedule is linear", () => {
  const tables = new Map<ScheduleSpec, DiffusionTables>();
  for (const [spec, t, wanted] of ROWS) {
    const all = tables.get(spec) ?? makeTables(makeBetas(spec));
    tables.set(spec, all);
    COLUMNS.forEach((column, i) =>
      assertClose(all[column][t]!, wanted[i]!, { ...TWELVE_DIGITS, label: `${spec.name} ${column} ${t}` })
    );
  }
});

// Weight of the squared error of the noise in the variational bound, Ho et al. 2020 eq. 12, for both reverse variances.
const BOUND_WEIGHTS: [ScheduleSpec, t: number, fixedlarge: number, fixedsmall: number][] = [
  [HO_LINEAR, 0, 0.500050005001, Infinity],
  [HO_LINEAR, 1, 0.272692084278, 0.599671512159],
  [HO_LINEAR, 2, 0.194401976529, 0.317995351676],
  [HO_LINEAR, 99, 0.010081263749, 0.01026695344],
  [HO_LINEAR, 499, 0.00550343192562, 0.00550819651055],
  [HO_LINEAR, 999, 0.0102044934686, 0.0102045018738],
  [LDM_LINEAR, 1, 0.253306022819, 0.513294510596],
  [LDM_LINEAR, 99, 0.00936960378615, 0.00954337756318],
  [LDM_LINEAR, 499, 0.0043153696937, 0.00432781500429],
  [LDM_LINEAR, 999, 0.010211570926, 0.0102117238832],
];

Deno.test("boundWeights() gives the reference weights of the bound", () => {
  for (const [spec, t, fixedlarge, fixedsmall] of BOUND_WEIGHTS) {
    const tables = makeTables(makeBetas(spec));
    assertClose(boundWeights(tables, "fixedlarge")[t]!, fixedlarge, { ...TWELVE_DIGITS, label: `${spec.name} ${t}` });
    const small = boundWeights(tables, "fixedsmall")[t]!;
    if (t === 0) assertEquals(small, fixedsmall);
    else assertClose(small, fixedsmall, { ...TWELVE_DIGITS, label: `${spec.name} ${t} fixedsmall` });
  }
});

Deno.test("makeTables() gives the reference range of noise levels when the schedule is linear", () => {
  const sigmas = makeTables(makeBetas(HO_LINEAR)).sqrtRecipm1AlphasCumprod;
  assertClose(sigmas[0]!, 0.0100005000375, TWELVE_DIGITS);
  assertClose(sigmas[T - 1]!, 157.40728081, TWELVE_DIGITS);
});

Deno.test("makeTables() gives the reference L_simple of the exact model when the data are Gaussian", () => {
  // For data N(0, s^2), the best prediction, eps = sqrt(1 - A) x / (A s^2 + 1 - A), leaves A s^2 / (A s^2 + 1 - A) of
  // the noise's variance unexplained. numpy float64, mean over t of the linear schedule.
  const { alphasCumprod } = makeTables(makeBetas(HO_LINEAR));
  const loss = (variance: number) =>
    alphasCumprod.reduce((sum, a) => sum + a * variance / (a * variance + 1 - a), 0) / T;
  assertClose(loss(1), 0.275513233397, TWELVE_DIGITS);
  assertClose(loss(0.25), 0.173053406084, TWELVE_DIGITS);
  assertEquals(loss(0), 0);
});
