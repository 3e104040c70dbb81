import fc from "fast-check";
import { encode } from "uqr";
import { describe, expect, it } from "vitest";
import { deviceWords } from "../../renderer/src/text/device.js";
import { countdown, groupedCode, linkAddress, readCode } from "../../renderer/src/text/pairing.js";
import { qrPath } from "../../renderer/src/text/qr-path.js";
import { connectionWords } from "../../renderer/src/text/words.js";
import type { Device } from "../../shared/client-api.js";
import type { DeviceId } from "../../shared/ids.js";
import { PAIRING_CODE_LENGTH, pairingCodeFrom } from "../../shared/pairing.js";

const relay = "wss://relay.example:8787/";
const code = fc
  .uint8Array({ minLength: PAIRING_CODE_LENGTH, maxLength: PAIRING_CODE_LENGTH })
  .map(pairingCodeFrom);

describe("a code as people read and type it", () => {
  it("is read back from what is shown, in any case, and from what the QR code says", () => {
    fc.assert(
      fc.property(code, (shown) => {
        const read = { code: shown, missing: 0, problem: null };
        expect(readCode(groupedCode(shown), relay)).toEqual(read);
        expect(readCode(` ${groupedCode(shown).toLowerCase()} `, relay)).toEqual(read);
        expect(readCode(linkAddress(relay, shown), relay)).toEqual(read);
      }),
    );
  });

  it("stands in groups of four", () => {
    expect(groupedCode("7KQ2M9XWTB4D")).toBe("7KQ2-M9XW-TB4D");
  });

  it("is not wrong because it is short, but because of what cannot be in it", () => {
    expect(readCode("", relay)).toMatchObject({ missing: 12, problem: null });
    expect(readCode("7kq2 m9", relay)).toMatchObject({ missing: 6, problem: null });
    expect(readCode("7kq2 m9é", relay).problem).toContain("“é”");
    expect(readCode("7KQ2-M9XW-TB4D-00", relay).problem).toContain("2 too many");
  });

  it("of another relay is told apart before it is tried", () => {
    const address = linkAddress("wss://other.example", "7KQ2M9XWTB4D");
    expect(readCode(address, relay).problem).toContain("wss://other.example");
    const slash = linkAddress("wss://relay.example:8787", "7KQ2M9XWTB4D");
    expect(readCode(slash, relay).problem).toBeNull();
    expect(readCode("dovetail:link", relay).problem).toContain("another relay");
  });

  it("counts down in minutes and seconds, and not below nothing", () => {
    expect([300_999, 249_000, 9_000, -1].map(countdown)).toEqual(["5:00", "4:09", "0:09", "0:00"]);
  });
});

describe("a QR code's path", () => {
  it("covers exactly the dark modules, within quiet ground", () => {
    const text = linkAddress(relay, "7KQ2M9XWTB4D");
    const { size, path } = qrPath(text);
    const drawn = Array.from({ length: size }, () => Array<boolean>(size).fill(false));
    for (const [, x, y, width] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) {
      drawn[Number(y)]?.fill(true, Number(x), Number(x) + Number(width));
    }
    expect(drawn).toEqual(encode(text, { ecc: "M", border: 4 }).data);
    expect(drawn.slice(0, 4).flat()).not.toContain(true);
    expect(drawn[4]?.indexOf(true)).toBe(4);
  });
});

describe("a device in words", () => {
  const now = new Date("2026-11-23T12:00:00").getTime();
  const device: Device = {
    deviceId: "0".repeat(32) as DeviceId,
    name: "Laptop",
    current: false,
    online: false,
    lastSeen: null,
    addedAt: now,
  };

  it("is this one, online, or was seen at some time or never", () => {
    expect(deviceWords({ ...device, current: true, online: true }, now)).toBe("This device");
    expect(deviceWords({ ...device, online: true }, now)).toBe("Online");
    expect(deviceWords({ ...device, lastSeen: now - 120_000 }, now)).toBe("Last seen 2 min ago");
    expect(deviceWords(device, now)).toBe("Not seen yet");
  });

  it("that was removed says so whatever the connection is doing, and offers no retry", () => {
    const removed = { relayUrl: relay, retryAt: now + 5_000, error: "device_removed", direct: [] };
    for (const state of ["offline", "reconnecting", "connecting"] as const) {
      const words = connectionWords({ ...removed, relay: state }, now);
      expect(words).toMatchObject({ kind: "removed", retry: false });
    }
    expect(connectionWords({ ...removed, relay: "connected" }, now).kind).toBe("connected");
  });
});
