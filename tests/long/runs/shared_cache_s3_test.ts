import { MotoServer } from "../../support/moto_server.ts";
import { skipUnless } from "../../support/proc.ts";
import { checkSharing } from "../../support/sharing.ts";

Deno.test("an S3 service shares results between two projects", async () => {
  const server = await MotoServer.start({ install: false });
  if (typeof server === "string") return void skipUnless(false, server);
  await using _server = server;
  const env = { AWS_ACCESS_KEY_ID: "any", AWS_SECRET_ACCESS_KEY: "any", AWS_ENDPOINT_URL: server.endpoint };
  await checkSharing(`s3://${server.bucket}/some where`, env);
});
