import type { RunOf, StageEnd } from "../../contract/stage.ts";
import type { datasetKind } from "./kind.ts";

/** What a running `dataset` stage gets. */
export type DatasetContext = Parameters<RunOf<typeof datasetKind>>[0];

/** A source of images writes both splits, or says why it cannot. */
export type WriteDataset = (context: DatasetContext) => Promise<StageEnd | void>;
