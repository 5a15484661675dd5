/** The name under which the code that custom stages may use is pinned, like a kind. */
export const STAGE_API = "stage-api";

/** The entry of one built-in kind in tests/golden/kind_versions.json. */
interface KindPin {
  readonly version: number;
  /** Digest of all code that the kind executes. */
  readonly code: string;
  /** The reasons why the code changed within this version although every result stays the same, newest last. */
  readonly sameBytes: readonly string[];
}

export type KindPins = Readonly<Record<string, KindPin>>;

/** The current versions and digests of the code. */
export type KindFacts = Readonly<Record<string, { readonly version: number; readonly code: string }>>;

const PIN_COMMAND = "deno run -A dev/pin_kinds.ts";

/** Lists all differences between the pins and the code, each with a fix. */
export function comparePins(pins: KindPins, facts: KindFacts): string[] {
  const found: string[] = [];
  for (const [kind, { version, code }] of Object.entries(facts)) {
    const pin = pins[kind];
    const raised = kind === STAGE_API
      ? "API_VERSION in engine/process/code_digest.ts"
      : `version in stages/${kind}/kind.ts`;
    if (pin === undefined) found.push(`kind "${kind}" is not pinned yet. Run: ${PIN_COMMAND}`);
    else if (version < pin.version) {
      found.push(`kind "${kind}" has version ${version}, below the pinned ${pin.version}. Versions only rise.`);
    } else if (version > pin.version) {
      found.push(`kind "${kind}" has version ${version}, the pin has ${pin.version}. Run: ${PIN_COMMAND}`);
    } else if (code !== pin.code) {
      found.push(
        `the code of kind "${kind}" changed, its version ${version} did not. If the same params and inputs can now give ` +
          `other bytes, raise ${raised}, add a line to CHANGELOG.md and run: ${PIN_COMMAND}. ` +
          `If every result stays the same, run: ${PIN_COMMAND} ${kind} --same-bytes "why"`,
      );
    }
  }
  for (const kind of Object.keys(pins)) {
    if (!Object.hasOwn(facts, kind)) found.push(`kind "${kind}" is pinned but gone. Run: ${PIN_COMMAND}`);
  }
  return found;
}

/** Returns new pins, or the reason why they are refused. A change within one version needs a written reason. */
export function updatePins(
  pins: KindPins,
  facts: KindFacts,
  sameBytes: { readonly kinds: ReadonlySet<string>; readonly reason: string | undefined },
): { readonly pins: KindPins } | { readonly problems: readonly string[] } {
  const next: Record<string, KindPin> = {};
  for (const [kind, fact] of Object.entries(facts)) {
    const pin = pins[kind];
    const changed = pin !== undefined && fact.version === pin.version && fact.code !== pin.code;
    if (pin === undefined || fact.version > pin.version) next[kind] = { ...fact, sameBytes: [] };
    else if (changed && sameBytes.reason !== undefined && sameBytes.kinds.has(kind)) {
      next[kind] = { ...fact, sameBytes: [...pin.sameBytes, sameBytes.reason] };
    } else next[kind] = pin;
  }
  const problems = comparePins(next, facts);
  return problems.length > 0 ? { problems } : { pins: next };
}
