/** The settings, by which all else is known. Before all steps. */
export const META = "CREATE TABLE IF NOT EXISTS meta (key text PRIMARY KEY, value text)";

/**
 * The tables. Each step is applied once, in order, and never changed afterwards. A step that was broken
 * off is repeated, so it says IF NOT EXISTS; and relays of the version before go on with what it made, so
 * it only adds.
 */
export const migrations: readonly (readonly string[])[] = [
  [
    // One partition holds some hundred entries and all else that the conversation is while they are the
    // newest: what hangs together is in one partition, so that one conditional batch can write it.
    // Entries have a seq from 1 on; the rows at 0 are the state, by name. Newest first, because a
    // condition on a static column reads the first row.
    `CREATE TABLE IF NOT EXISTS log (
      conversation text, base bigint, seq bigint, name text,
      value blob,
      head bigint static, first bigint static, version bigint static, attempt text static,
      pending blob static,
      PRIMARY KEY ((conversation, base), seq, name)
    ) WITH CLUSTERING ORDER BY (seq DESC, name ASC)
      AND compaction = {'class': 'UnifiedCompactionStrategy'}`,
    `CREATE TABLE IF NOT EXISTS segment (
      conversation text, base bigint, PRIMARY KEY (conversation, base)
    ) WITH CLUSTERING ORDER BY (base DESC)`,
    `CREATE TABLE IF NOT EXISTS digest (
      conversation text, block bigint, value blob, PRIMARY KEY (conversation, block))`,
    // One row per user and conversation, overwritten at each change: nothing is ever deleted.
    `CREATE TABLE IF NOT EXISTS inbox (
      user text, conversation text, newest bigint static,
      stamp bigint, version bigint, member boolean,
      PRIMARY KEY (user, conversation))`,
    `CREATE TABLE IF NOT EXISTS expiry_hour (
      partition int, hour bigint, PRIMARY KEY (partition, hour))`,
    `CREATE TABLE IF NOT EXISTS expiry (
      hour bigint, due bigint, conversation text, seq bigint,
      PRIMARY KEY (hour, due, conversation, seq)
    ) WITH compaction = {'class': 'TimeWindowCompactionStrategy'}`,
    "CREATE TABLE IF NOT EXISTS invite (code text PRIMARY KEY, conversation text)",
    `CREATE TABLE IF NOT EXISTS registration (
      code text, device text, used bigint static, PRIMARY KEY (code, device))`,
    "CREATE TABLE IF NOT EXISTS handle (handle text PRIMARY KEY, user text, device text)",
    `CREATE TABLE IF NOT EXISTS handle_by_start (
      start text, handle text, user text, PRIMARY KEY (start, handle))`,
    "CREATE TABLE IF NOT EXISTS user (id text PRIMARY KEY, value blob)",
    "CREATE TABLE IF NOT EXISTS device_owner (device text PRIMARY KEY, user text)",
    `CREATE TABLE IF NOT EXISTS device (
      user text, device text, version bigint static, value blob, PRIMARY KEY (user, device))`,
    "CREATE TABLE IF NOT EXISTS block (user text, other text, blocked boolean, PRIMARY KEY (user, other))",
    "CREATE TABLE IF NOT EXISTS seen (id text PRIMARY KEY, at bigint)",
    "CREATE TABLE IF NOT EXISTS probe (id text PRIMARY KEY, at bigint)",
  ],
  [
    `CREATE TABLE IF NOT EXISTS registration_code (
      partition int, code text, needed boolean static, value blob, PRIMARY KEY (partition, code))`,
  ],
  ["CREATE TABLE IF NOT EXISTS counted (what text PRIMARY KEY, number bigint, at bigint)"],
];
