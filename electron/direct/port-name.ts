/** The IPC channel, and the window message, that carry the port into the WebRTC window. */
export const DIRECT_PORT = "dovetail:direct-port";
