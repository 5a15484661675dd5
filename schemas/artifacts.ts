/** Every type that an output port can carry. The type says what files a consumer may expect, not what produced them. */
export const ARTIFACT_TYPES = [
  "images",
  "schedule",
  "checkpoint",
  "samples",
  "features",
  "statistics",
  "classifier",
  "selection",
  "metrics",
  "log",
  "report",
  "files",
] as const;

export type ArtifactType = (typeof ARTIFACT_TYPES)[number];

/** Whether an input port of type `wanted` takes an artifact of type `given`: the same type, or samples where images are wanted. */
export function acceptsArtifact(wanted: ArtifactType, given: ArtifactType): boolean {
  return wanted === given || (wanted === "images" && given === "samples");
}
