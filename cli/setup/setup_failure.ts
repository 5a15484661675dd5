/** Thrown if a setup cannot continue: what is wrong, and what to do. */
export class SetupFailure extends Error {
  override name = "SetupFailure";

  constructor(message: string, readonly fix: string) {
    super(message);
  }
}
