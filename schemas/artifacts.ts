/** Every type that an output port can carry. The type says what files a consumer may expect, not what produced them. */
export const ARTIFACT_TYPES = [
  "images",
  "schedule",
  "checkpoint",
  "samples",
  "features",
  "statistics",
  "classifier",
  "autoencoder",
  "selection",
  "metrics",
  "log",
  "picture",
  "files",
] as const;

/** Types that are no longer made, of results that stores still hold. */
export const FORMER_ARTIFACT_TYPES = ["report"] as const;

/** One of {@linkcode ARTIFACT_TYPES}. */
export type ArtifactType = (typeof ARTIFACT_TYPES)[number];

/** The artifact types that an input port takes: one, or any of several. */
export type WantedArtifact = ArtifactType | readonly ArtifactType[];

/** Returns true if a port takes an artifact of type `given`: the same type, or samples where images are wanted. */
export function acceptsArtifact(wanted: WantedArtifact, given: ArtifactType): boolean {
  if (typeof wanted !== "string") return wanted.some((each) => acceptsArtifact(each, given));
  return wanted === given || (wanted === "images" && given === "samples");
}

/** Writes the wanted types out, as `images, features or statistics`. */
export function wantedText(wanted: WantedArtifact): string {
  if (typeof wanted === "string") return wanted;
  return [wanted.slice(0, -1).join(", "), wanted.at(-1)!].filter(Boolean).join(" or ");
}
