/** What the key beside the space bar that makes shortcuts is called here. */
export const commandKey = /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘" : "Ctrl";
