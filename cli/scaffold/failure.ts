/** What stops a scaffold before anything is written. */
export interface ScaffoldProblem {
  readonly message: string;
  readonly fix: string;
}
