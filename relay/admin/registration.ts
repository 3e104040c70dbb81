import { randomInt } from "node:crypto";
import { DovetailError } from "../../shared/errors.js";
import type { RegistrationCodes } from "../core/ports.js";
import type { AdminHandlers } from "./contract.js";

type InviteHandlers = Pick<
  AdminHandlers,
  "invites" | "createInvite" | "revokeInvite" | "openRegistration"
>;

/** Without those that look like another, because people type them. 31 to the power of 12: 59 bits. */
const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789";
const CODE_LETTERS = 12;

/**
 * Codes that registering needs: those that the relay was started with, which stay as they are, and those
 * in its store.
 */
export function inviteHandlers(
  codes: RegistrationCodes,
  started: ReadonlyMap<string, number | null>,
): InviteHandlers {
  const fromStart = (code: string): void => {
    if (!started.has(code)) return;
    throw new DovetailError(
      "not_allowed",
      `The relay is started with the code ${code}: change --invite-code instead.`,
    );
  };
  return {
    async invites({ after, limit }) {
      const stored = (await codes.after(after, limit)).map((code) => ({ ...code, started: false }));
      const first = [...started].map(([code, uses]) => ({
        ...{ code, uses, createdAt: null, revoked: false, started: true },
      }));
      const listed = after === null ? [...first, ...stored] : stored;
      return {
        needed: started.size > 0 || (await codes.needed()),
        more: stored.length === limit,
        codes: await Promise.all(
          listed.map(async (each) => ({ ...each, used: await codes.used(each.code) })),
        ),
      };
    },
    async createInvite({ code = newCode(), uses }) {
      fromStart(code);
      if (await codes.find(code)) throw known(code);
      // First: a code that is there while everybody may register is worth nothing.
      await codes.setNeeded(true);
      const made = { code, uses, createdAt: Date.now(), revoked: false };
      if (!(await codes.add(made))) throw known(code);
      return { code, uses };
    },
    async revokeInvite({ code }) {
      fromStart(code);
      if (!(await codes.revoke(code))) {
        throw new DovetailError("not_found", `There is no code ${code}.`);
      }
      return { code };
    },
    async openRegistration() {
      if (started.size > 0) {
        throw new DovetailError(
          "not_allowed",
          "The relay is started with --invite-code; without it everybody may register.",
        );
      }
      await codes.setNeeded(false);
      return {};
    },
  };
}

const known = (code: string): DovetailError =>
  new DovetailError("not_allowed", `There is or was a code ${code}; choose another.`);

const newCode = (): string =>
  Array.from({ length: CODE_LETTERS }, () => LETTERS[randomInt(LETTERS.length)]).join("");
