/** What every command ends with. */
export const OK = 0;
export const FAILED = 1;
/** It was called in a way that it does not understand, and did nothing. */
export const WRONG_OPTION = 2;
