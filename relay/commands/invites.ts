import { InvalidArgumentError } from "commander";
import { askRelay } from "../admin/client.js";
import { type AdminResult, MAX_LISTED, MAX_USES } from "../admin/contract.js";
import { dataFolder, program, runProgram } from "./program.js";
import { moment, table } from "./table.js";

interface Options {
  readonly data?: string;
  readonly config?: string;
  readonly json?: boolean;
}

type Code = AdminResult<"invites">["codes"][number];

function usesOf(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`It is not a whole number from 1 to ${MAX_USES}.`);
}

/** The codes that registering at a running relay needs. */
export function invites(args: readonly string[]): Promise<number> {
  const root = program("invites", "The codes that registering at a running relay needs.").option(
    "--json",
    "one object of JSON a line",
  );
  const options = (): Options => root.opts();
  root
    .command("list")
    .description("all codes, with how many have registered by each")
    .allowExcessArguments(false)
    .action(() => list(options()));
  root
    .command("create")
    .description("makes a code, without which nobody registers from then on")
    .allowExcessArguments(false)
    .option("--uses <number>", "how many may register with it (default: as many as like)", usesOf)
    .option("--code <code>", "the code itself (default: one that is made up)")
    .action(({ uses = null, code }: { uses?: number | null; code?: string }) =>
      create(options(), uses, code),
    );
  root
    .command("revoke <code>")
    .description("ends a code for good; who has registered with it stays")
    .allowExcessArguments(false)
    .action((code: string) => revoke(options(), code));
  root
    .command("open")
    .description("lets everybody register without a code")
    .allowExcessArguments(false)
    .action(() => open(options()));
  return runProgram(root, args);
}

async function list(options: Options): Promise<void> {
  const data = dataFolder(options);
  const codes: Code[] = [];
  let page: AdminResult<"invites">;
  let after: string | null = null;
  do {
    page = await askRelay(data, "invites", { after, limit: MAX_LISTED });
    codes.push(...page.codes);
    after = page.codes.at(-1)?.code ?? null;
  } while (page.more);
  if (options.json) {
    for (const code of codes) print(JSON.stringify(code));
    return;
  }
  print(page.needed ? "Registering needs a code." : "Everybody may register without a code.");
  const rows = codes.map((code) => [
    code.code,
    code.used,
    code.uses ?? "any number",
    stateOf(code),
    code.createdAt === null ? "by --invite-code" : moment(code.createdAt),
  ]);
  if (rows.length > 0) print(`\n${table(["CODE", "USED", "OF", "STATE", "MADE"], rows).trimEnd()}`);
}

function stateOf({ revoked, used, uses }: Code): string {
  if (revoked) return "revoked";
  return uses !== null && used >= uses ? "used up" : "good";
}

async function create(
  options: Options,
  uses: number | null,
  code: string | undefined,
): Promise<void> {
  const made = await askRelay(dataFolder(options), "createInvite", { code, uses });
  print(options.json ? JSON.stringify(made) : made.code);
}

async function revoke(options: Options, code: string): Promise<void> {
  const revoked = await askRelay(dataFolder(options), "revokeInvite", { code });
  print(options.json ? JSON.stringify(revoked) : `Nobody registers with ${code} any more.`);
}

async function open(options: Options): Promise<void> {
  const answer = await askRelay(dataFolder(options), "openRegistration", {});
  print(options.json ? JSON.stringify(answer) : "Everybody may register without a code.");
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);
