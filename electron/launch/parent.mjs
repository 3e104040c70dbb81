import { readFileSync } from "node:fs";

const POLL_MS = 200;

/** Name and parent of a process; null where that cannot be read, as anywhere but on Linux. */
function inspect(pid) {
  try {
    // proc(5): pid (name) state ppid …, where the name may hold anything, parentheses too.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const end = stat.lastIndexOf(")");
    return {
      name: stat.slice(stat.indexOf("(") + 1, end),
      parent: Number(stat.slice(end + 2).split(" ")[1]),
    };
  } catch {
    return null;
  }
}

const endSelf = (signal) => process.kill(process.pid, signal);

/**
 * Signals to npm, or to the launcher that started this one, must reach this process. npm passes
 * SIGTERM on to the shell between, which some shells die of without passing it on; and nobody
 * passes on `kill -9`, which would leave the real program running and holding its port or profile.
 */
export function endWithParent() {
  const parent = process.ppid;
  const { DOVETAIL_PARENT, npm_lifecycle_event } = process.env;
  if (Number(DOVETAIL_PARENT) !== parent && !npm_lifecycle_event) return;
  const shell = inspect(parent);
  const npm = /^(?:ba|da|z|k)?sh$/.test(shell?.name ?? "") ? shell.parent : null;
  const watch = setInterval(() => {
    if (process.ppid !== parent) {
      clearInterval(watch);
      endSelf(npm === null ? "SIGKILL" : "SIGTERM");
    } else if (npm !== null && (inspect(parent)?.parent ?? npm) !== npm) {
      endSelf("SIGKILL");
    }
  }, POLL_MS);
  watch.unref();
  // Who sends a signal to the whole group reaches this process too: one is enough, since a program
  // that is already stopping would take a second one for impatience.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.once(signal, () => {
      clearInterval(watch);
      if (process.listenerCount(signal) === 0) endSelf(signal);
    });
  }
}
