import { Notification } from "electron";
import type { NotifierHost } from "./notifier.js";

/** Shows the system's own notification. */
export const showNotification: NotifierHost["show"] = ({ title, body, clicked, dismissed }) => {
  const notification = new Notification({ title, body });
  notification.on("click", clicked);
  notification.on("close", dismissed);
  notification.on("failed", dismissed);
  notification.show();
  return { close: () => notification.close() };
};
