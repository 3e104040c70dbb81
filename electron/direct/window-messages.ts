/** What Electron's main process and the never-shown WebRTC window say to each other over a port. */
import { z } from "zod";
import { MAX_ICE_SERVERS, MAX_SIGNAL_BYTES } from "../../shared/limits.js";
import { MAX_DIRECT_FRAME_BYTES } from "../client/ports.js";

const channel = z.int().min(1);
const bytes = (max: number) =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length <= max,
    `not up to ${max} bytes`,
  );
const text = z.string().max(512);

/** From main. `channel` is a number that main chooses and never uses twice. */
export const toWindow = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("open"),
    channel,
    initiator: z.boolean(),
    iceServers: z
      .array(
        z.object({
          urls: z.array(text).max(8),
          username: text.nullable(),
          credential: text.nullable(),
        }),
      )
      .max(MAX_ICE_SERVERS),
  }),
  z.strictObject({ kind: z.literal("signal"), channel, payload: bytes(MAX_SIGNAL_BYTES) }),
  z.strictObject({ kind: z.literal("send"), channel, message: bytes(MAX_DIRECT_FRAME_BYTES) }),
  z.strictObject({ kind: z.literal("close"), channel }),
]);
export type ToWindow = z.infer<typeof toWindow>;

/** From the window, where whoever is at the other end of a channel might one day have got in. */
export const fromWindow = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("signal"), channel, payload: bytes(MAX_SIGNAL_BYTES) }),
  z.strictObject({ kind: z.literal("open"), channel }),
  z.strictObject({ kind: z.literal("message"), channel, message: bytes(MAX_DIRECT_FRAME_BYTES) }),
  /** The window has taken a `send` from the port. */
  z.strictObject({ kind: z.literal("taken"), channel, bytes: z.int().min(0) }),
  z.strictObject({ kind: z.literal("closed"), channel, reason: z.string().max(1024) }),
]);
export type FromWindow = z.infer<typeof fromWindow>;
