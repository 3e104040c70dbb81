import { contentPolicy } from "./content-policy.js";

/**
 * What goes with every file that a page of Dovetail consists of. `connect` are the addresses, beside
 * its own origin, that the page may talk to.
 */
export const pageHeaders = (connect: readonly string[]): Readonly<Record<string, string>> => ({
  "content-security-policy": contentPolicy(connect),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
});
