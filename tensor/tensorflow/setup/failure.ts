/** A setup that cannot go on: what is wrong, and what to do. */
export class SetupFailure extends Error {
  override name = "SetupFailure";
  readonly fix: string;

  constructor(message: string, fix: string) {
    super(message);
    this.fix = fix;
  }
}
