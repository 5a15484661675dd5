import { assertEquals } from "@std/assert";
import { crc32c, encodeEvents } from "../../../../science/formats/tensorboard.ts";

Deno.test("crc32c() has the published check value", () => {
  // RFC 3720, B.4, and the check value of CRC-32C/ISCSI.
  assertEquals(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  assertEquals(crc32c(new Uint8Array(32)), 0x8a9136aa);
});

Deno.test("encodeEvents() writes what TensorBoard's own writer writes", () => {
  const bytes = encodeEvents([{ step: 300, tag: "train/loss", value: 0.25 }], 1.5);
  // tensorboard 2.21.0: EventFileWriter's record format over Event(wall_time=1.5, step=0, file_version="brain.Event:2")
  // and Event(wall_time=1.5, step=300, summary=[tag "train/loss", simple_value 0.25]);
  // dev/metrics/check_tensorboard.py.
  assertEquals(bytes.toHex(), EXPECTED);
});

const EXPECTED =
  "1a00000000000000129bd82d09000000000000f83f10001a0d627261696e2e4576656e743a32d3dc531e2100000000000000017becf609000000000000f83f10ac022a130a110a0a747261696e2f6c6f7373150000803e6557981f";
