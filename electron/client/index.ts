/** The entry of the client core; hosts and tests import from here. */
export { Client } from "./client.js";
export * from "./ports.js";
