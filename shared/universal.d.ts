/**
 * The few globals that every JavaScript host has and that are pure functions of their input.
 * Pure layers are compiled with `lib: ["ES2023"]` and `types: []`, so nothing else (timers, crypto,
 * `process`, `window`) exists for them: those come in through ports.
 */
declare class TextEncoder {
  encode(input: string): Uint8Array;
}
declare class TextDecoder {
  constructor(label: string, options: { fatal: boolean; ignoreBOM: boolean });
  decode(input: Uint8Array): string;
}
