/**
 * Loaded before a program by `node --import`: its clock is off by as many milliseconds as the file
 * says that DOVETAIL_TEST_CLOCK names, and jumps when the file changes. Only what asks for the time
 * of day sees it; timers and `performance.now()` go on as on a machine whose clock is set.
 */
import { readFileSync } from "node:fs";

const LOOK_MS = 100;
const file = process.env.DOVETAIL_TEST_CLOCK;
const now = Date.now;
let offsetMs = 0;

function look() {
  try {
    offsetMs = Number(readFileSync(file, "utf8")) || 0;
  } catch (error) {
    // Before the first shift there is no file.
    if (error.code !== "ENOENT") throw error;
  }
}

look();
setInterval(look, LOOK_MS).unref();
Date.now = () => now() + offsetMs;
