/** Which part may import which (ARCHITECTURE.md); each rule says what to do instead. */

const SIDES = "^(?:electron|renderer|relay|test|bench)/";
const packages = (...names) =>
  `^node_modules/(?:@types/)?(?:${names.join("|")})/|^(?:${names.join("|")})$`;
const HOST_PACKAGES = packages("electron", "ws", "level", "simple-peer", "@roamhq/wrtc", "pino");

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: "shared-imports-no-side",
      comment:
        "shared/ is what both sides know: move what it needs there, or pass it in as a port.",
      severity: "error",
      from: { path: "^shared/" },
      to: { path: SIDES },
    },
    {
      name: "pure-shared-imports-only-zod",
      comment:
        "Pure shared files run in a browser and in the simulation too: put what needs Node or a package into shared/node/ behind a port.",
      severity: "error",
      from: { path: "^shared/", pathNot: "^shared/node/" },
      to: { pathNot: ["^shared/(?!node/)", packages("zod")] },
    },
    {
      name: "shared-node-imports-only-node-and-level",
      comment:
        "shared/node/ holds the adapters both sides use: others belong to the side that does.",
      severity: "error",
      from: { path: "^shared/node/" },
      to: { pathNot: ["^shared/", packages("level")], dependencyTypesNot: ["core"] },
    },
    {
      name: "renderer-imports-only-shared",
      comment: "The renderer shows what a host tells it: ask through shared/client-api.ts.",
      severity: "error",
      from: { path: "^renderer/" },
      to: { path: ["^(?:electron|relay|test|bench)/", "^shared/node/"] },
    },
    {
      name: "renderer-imports-no-node",
      comment:
        "The renderer runs sandboxed: let the client core do it, and ask through the client API.",
      severity: "error",
      from: { path: "^renderer/", pathNot: "^renderer/vite\\.config\\.ts$" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "relay-imports-only-shared",
      comment: "Relay and client share knowledge through shared/protocol.ts alone: put it there.",
      severity: "error",
      from: { path: "^relay/" },
      to: { path: "^(?:electron|renderer|test|bench)/" },
    },
    {
      name: "electron-imports-only-shared",
      comment: "Client and relay share knowledge through shared/protocol.ts alone: put it there.",
      severity: "error",
      from: { path: "^electron/", pathNot: "^electron/launch/" },
      to: { path: "^(?:renderer|relay|test|bench|electron/launch)/" },
    },
    {
      name: "client-core-is-pure",
      comment:
        "The client core runs in every host and in the simulation: add what it needs to electron/client/ports.ts and let the host adapt it.",
      severity: "error",
      from: { path: "^electron/client/" },
      to: { path: ["^electron/(?!client/)", "^shared/node/", HOST_PACKAGES] },
    },
    {
      name: "client-core-needs-no-node",
      comment: "The client core has no Node: take it through a port of electron/client/ports.ts.",
      severity: "error",
      from: { path: "^electron/client/" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "relay-domain-is-pure",
      comment:
        "The relay's domain and tables run in the simulation: add what they need to relay/core/ports.ts and adapt it in relay/server/ or shared/node/.",
      severity: "error",
      from: { path: "^relay/(?:core|store)/", pathNot: "^relay/store/cassandra/" },
      to: {
        path: [
          "^relay/(?!core/|store/)",
          "^relay/store/cassandra/",
          "^shared/node/",
          HOST_PACKAGES,
          packages("fastify", "prom-client", "commander", "cassandra-driver"),
        ],
      },
    },
    {
      name: "relay-domain-needs-no-node",
      comment: "The relay's domain has no Node: take it through a port of relay/core/ports.ts.",
      severity: "error",
      from: { path: "^relay/(?:core|store)/", pathNot: "^relay/store/cassandra/" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "electron-package-only-in-its-host",
      comment: "Everything else must run without Electron: do it in electron/host/ and pass it in.",
      severity: "error",
      from: {
        pathNot: "^electron/(?:main\\.ts|preload\\.ts|host/|direct/preload\\.ts)|^test/e2e/",
      },
      to: { path: packages("electron") },
    },
    {
      name: "simple-peer-in-one-file",
      comment: "simple-peer may have to be replaced one day: use electron/direct/peer.ts.",
      severity: "error",
      from: { pathNot: "^electron/direct/peer\\.ts$" },
      to: { path: packages("simple-peer") },
    },
    {
      name: "no-cycles",
      comment:
        "Files that import each other cannot be understood one by one: move what both need to a third.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "no-orphans",
      comment: "Nobody imports this file and it imports nobody: use it or remove it.",
      severity: "error",
      from: { orphan: true, pathNot: "\\.d\\.m?ts$|^test/|\\.config\\.|^electron/launch/" },
      to: {},
    },
    {
      name: "no-unresolvable",
      comment: "The import leads nowhere: correct it, or add the package to package.json.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.node.json" },
    // Imports of types count too: what is only a type today is a call tomorrow.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "types", "svelte", "default"],
      extensions: [".ts", ".svelte.ts", ".svelte", ".mjs", ".js", ".d.ts"],
    },
  },
};
