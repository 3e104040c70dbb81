/** Debian's packages that tests use, for those who may install them. */
import { spawnSync } from "node:child_process";

/** Tries; whether it is there then, the caller sees by looking for what is in it. */
export function installPackage(name, say) {
  if (process.platform !== "linux" || process.getuid() !== 0) return;
  say(`Installing ${name} for the tests …`);
  const options = {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  };
  spawnSync("apt-get", ["update", "-qq"], options);
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", name], options);
}
