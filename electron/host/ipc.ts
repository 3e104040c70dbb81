/** The client API for the renderer. */
import { ipcMain, type WebFrameMain } from "electron";
import { z } from "zod";
import type { BridgeReply } from "../../shared/bridge.js";
import { DovetailError } from "../../shared/errors.js";
import type { Callee } from "../rpc/json-rpc.js";
import { channels } from "./channels.js";
import { isAppUrl } from "./scheme.js";

/** The method's own schema, which the core applies, knows what the parameters have to be. */
const call = z.tuple([z.string().max(64), z.unknown()]);

/** Only the visible window's page itself: no frame in it, and no page that was put in its place. */
export const isRenderer = (frame: Pick<WebFrameMain, "url" | "parent"> | null): boolean =>
  frame !== null && frame.parent === null && isAppUrl(frame.url, "dovetail");

export async function answer(callee: Callee, args: readonly unknown[]): Promise<BridgeReply> {
  try {
    const parsed = call.safeParse(args);
    if (!parsed.success) throw new DovetailError("invalid_request", "Not a method and parameters.");
    const [method, params] = parsed.data;
    return { ok: true, result: await callee.dispatch(method, params) };
  } catch (thrown) {
    const { code, message, retryAfterMs } = DovetailError.from(thrown);
    return {
      ok: false,
      error: { code, message, ...(retryAfterMs !== undefined && { retryAfterMs }) },
    };
  }
}

export function serveIpc(callee: Callee): void {
  ipcMain.handle(channels.call, async (event, ...args: unknown[]) => {
    if (!isRenderer(event.senderFrame)) throw new Error("Not for this page.");
    return answer(callee, args);
  });
}
