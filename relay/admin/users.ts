import { DovetailError } from "../../shared/errors.js";
import type { Person, RelayFrame } from "../../shared/protocol.js";
import type { Directory } from "../core/ports.js";
import type { Relay } from "../core/relay.js";
import type { AdminHandlers } from "./contract.js";

type UserHandlers = Pick<AdminHandlers, "users" | "user" | "removeDevice">;
type Devices = Extract<RelayFrame, { type: "devices" }>["devices"];

/** What an operator may see of accounts and do with them. */
export function userHandlers(relay: Relay, directory: Directory): UserHandlers {
  const devicesOf = async ({ userId }: Person): Promise<Devices> => {
    const answer = await relay.askAsUser(userId, { type: "getDevices", requestId: 0 });
    return answer.type === "devices" ? answer.devices : [];
  };
  return {
    users: async ({ after, limit }) => ({ users: await directory.usersAfter(after, limit) }),
    async user({ handle }) {
      const person = await named(directory, handle);
      const [devices, lastSeen] = await Promise.all([
        devicesOf(person),
        directory.lastSeen(person.userId),
      ]);
      return { ...person, lastSeen, devices };
    },
    async removeDevice({ handle, device }) {
      const person = await named(directory, handle);
      const devices = await devicesOf(person);
      const [found, another] = devices.filter(({ deviceId }) => deviceId.startsWith(device));
      if (!found) throw new DovetailError("not_found", `${handle} has no device ${device}.`);
      if (another) {
        throw new DovetailError("invalid_params", `${handle} has several devices ${device}….`);
      }
      const { deviceId, name } = found;
      await relay.askAsUser(person.userId, { type: "removeDevice", requestId: 0, deviceId });
      return { deviceId, name, left: devices.length - 1 };
    },
  };
}

async function named(directory: Directory, handle: string): Promise<Person> {
  // In alphabetical order the handle itself comes before what goes on after it.
  const [person] = await directory.search(handle, 1);
  if (person?.handle === handle) return person;
  throw new DovetailError("not_found", `Nobody has the handle ${handle}.`);
}
