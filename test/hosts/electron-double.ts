/**
 * As much of the `electron` module as its host touches, recording what it is told. It proves what
 * Dovetail asks of Electron, and nothing of what Electron does about it.
 */
import { EventEmitter } from "node:events";
import { vi } from "vitest";

type Handler = (...args: unknown[]) => unknown;

const handlers = new Map<string, Handler>();
const keep =
  (name: string) =>
  (...args: unknown[]): void => {
    handlers.set(name, args.at(-1) as Handler);
  };

export const app = Object.assign(new EventEmitter(), { isPackaged: true });
export const shell = { openExternal: vi.fn(async () => undefined) };
export const protocol = {
  registerSchemesAsPrivileged: vi.fn(),
  handle: (scheme: string, handler: Handler) => handlers.set(`scheme ${scheme}`, handler),
};
export const ipcMain = {
  handle: (channel: string, handler: Handler) => handlers.set(`ipc ${channel}`, handler),
};
export const ipcRenderer = Object.assign(new EventEmitter(), {
  invoke: vi.fn(async () => undefined),
});
export const exposed = new Map<string, unknown>();
export const contextBridge = {
  exposeInMainWorld: (name: string, value: unknown) => exposed.set(name, value),
};

/** A session that keeps what it is given. */
export const session = () =>
  Object.assign(new EventEmitter(), {
    setPermissionRequestHandler: keep("permission request"),
    setPermissionCheckHandler: keep("permission check"),
    setDevicePermissionHandler: keep("device permission"),
    setDisplayMediaRequestHandler: keep("display media"),
    webRequest: { onBeforeRequest: keep("request") },
  });

/** The handler that the host registered under this name. */
export const handler = (name: string): Handler => {
  const found = handlers.get(name);
  if (!found) throw new Error(`nothing handles ${name}`);
  return found;
};

/** A page's contents, at a URL. */
export const contents = (url: string) =>
  Object.assign(new EventEmitter(), {
    getURL: () => url,
    setWindowOpenHandler: keep("window open"),
  });

/** Whether the page's listeners prevent the event. */
export function prevented(
  target: EventEmitter,
  event: string,
  details: Record<string, unknown> = {},
): boolean {
  let stopped = false;
  target.emit(event, { ...details, preventDefault: () => (stopped = true) });
  return stopped;
}
