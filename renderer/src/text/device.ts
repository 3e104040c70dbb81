import type { Device } from "../../../shared/client-api.js";
import { lastSeenWords } from "./time.js";

/** Whether and when a device was there, as the beginning of a line. */
export function deviceWords(device: Device, now: number): string {
  if (device.current) return "This device";
  if (device.online) return "Online";
  if (device.lastSeen === null) return "Not seen yet";
  const words = lastSeenWords(device.lastSeen, now);
  return words.charAt(0).toUpperCase() + words.slice(1);
}
