import { generateKeyPairSync } from "node:crypto";
import { Command } from "commander";
import { runProgram } from "./program.js";

/**
 * Makes the pair of keys by which push services know who sends (VAPID, RFC 8292 §3.2): P-256, in base64url
 * without padding, the public one as an uncompressed point.
 */
export function vapidKeys(args: readonly string[]): Promise<number> {
  const command = new Command("dovetail-relay vapid-keys")
    .description("Makes a pair of keys for web push; nothing is stored, and no relay is asked.")
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .allowExcessArguments(false)
    .option("--json", "as one line of JSON")
    .action(({ json }: { json?: boolean }) => {
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
      const { x = "", y = "", d = "" } = privateKey.export({ format: "jwk" });
      const point = [Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")];
      const publicKey = Buffer.concat(point).toString("base64url");
      process.stdout.write(
        json
          ? `${JSON.stringify({ publicKey, privateKey: d })}\n`
          : `public key   ${publicKey}\nprivate key  ${d}\n`,
      );
    });
  return runProgram(command, args);
}
