import { MotoServer } from "../../support/moto_server.ts";
import { onlyIf } from "../../support/proc.ts";
import { checkSharing } from "../../support/sharing.ts";

const problem = await MotoServer.problem({ install: false });
Deno.test({
  ...onlyIf(problem === undefined, `${problem}`, "an S3 service shares results between two projects"),
  async fn() {
    await using server = await MotoServer.start();
    const env = { AWS_ACCESS_KEY_ID: "any", AWS_SECRET_ACCESS_KEY: "any", AWS_ENDPOINT_URL: server.endpoint };
    await checkSharing(`s3://${server.bucket}/some where`, env);
  },
});
