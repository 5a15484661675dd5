import type { Diagnostic } from "noiseline/core";
import { didYouMean } from "../../std/did_you_mean.ts";
import { problem, refuseWith } from "../io.ts";
import { Mirror, type Tracker } from "./mirror.ts";
import { mlflowTracker } from "./mlflow.ts";
import { tensorboardTracker } from "./tensorboard.ts";
import { wandbTracker } from "./wandb.ts";

/** Makes a tracker for what stands behind `=`, or says what should. */
const TRACKERS: Readonly<Record<string, (place: string | undefined) => Tracker | string>> = {
  mlflow(place) {
    const address = place === undefined ? undefined : URL.parse(place);
    return address && /^https?:$/.test(address.protocol) ? mlflowTracker(address) : "mlflow=http://HOST:PORT";
  },
  tensorboard: (place) => place ? tensorboardTracker(place) : "tensorboard=FOLDER",
  wandb: (place = ".") => place ? wandbTracker(place) : "wandb or wandb=FOLDER",
};

/**
 * Opens the mirrors that the user asks for. @throws Exit that lists all that are wrong
 *
 * @param places `mlflow=http://localhost:5000`, `wandb`, `tensorboard=runs`
 */
export function openMirrors(places: readonly string[], warn: (diagnostic: Diagnostic) => void): Mirror[] {
  const wrong: Diagnostic[] = [];
  const opened = places.flatMap((place) => {
    const [, name = "", rest] = /^([^=]*)(?:=(.*))?$/s.exec(place)!;
    const made = Object.hasOwn(TRACKERS, name) ? TRACKERS[name]!(rest) : undefined;
    if (typeof made === "object") return [new Mirror(place, made, warn)];
    const near = didYouMean(name, Object.keys(TRACKERS));
    const known = `mlflow=ADDRESS, wandb or tensorboard=FOLDER${near === undefined ? "" : `; did you mean ${near}?`}`;
    wrong.push(problem(`--mirror ${place}`, `write --mirror ${made ?? known}`));
    return [];
  });
  if (wrong.length > 0) refuseWith(wrong);
  return opened;
}
