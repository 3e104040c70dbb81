/** Every IPC channel between main and the visible window; there are no others. */
export const channels = {
  /** Renderer to main, answered: a call of the client API. */
  call: "dovetail:call",
  /** Main to renderer: an event of the client API. */
  event: "dovetail:event",
  /** Main to renderer: show this conversation. */
  openConversation: "dovetail:open-conversation",
} as const;
