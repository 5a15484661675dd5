import type { ImageSize } from "../../artifacts/facts.ts";
import { imageAt, writePicture } from "../../artifacts/images.ts";
import type { OutputArtifact } from "../../contract/stage.ts";
import type { SampleParams } from "./kind.ts";

type FilmParams = NonNullable<SampleParams["trajectory"]>;

/** Write the two strips as PNG files. */
export async function writeFilm(
  output: OutputArtifact,
  film: Uint8Array<ArrayBuffer>,
  { images, frames, ...size }: FilmParams & ImageSize,
): Promise<void> {
  const strip = (part: number) =>
    Array.from({ length: images * frames }, (_, at) => {
      const [image, frame] = [Math.floor(at / frames), at % frames];
      return imageAt(film, (part * frames + frame) * images + image, size);
    });
  await writePicture(output, "trajectory.png", strip(0), { ...size, columns: frames });
  await writePicture(output, "trajectory-x0.png", strip(1), { ...size, columns: frames });
}
