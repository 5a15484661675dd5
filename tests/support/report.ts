import type { Report } from "../../pages/report/model.ts";

/** A report without anything. */
export const NOTHING: Report = {
  title: "t",
  subtitle: "s",
  notes: [],
  stages: [],
  curves: [],
  samples: [],
  data: [],
  films: [],
  schedules: [],
  rates: [],
  metrics: [],
  neighbours: [],
  pictures: [],
  rankings: [],
  demos: [],
};

export const stage = (id: string, reads: string[] = [], more = {}) => ({
  id,
  kind: "source",
  state: "cached",
  reads,
  params: [],
  ...more,
});
