import type { Method, Results, ValidParams } from "../../shared/client-api.js";

/** What each method of the client API does. */
export type Handlers = { [M in Method]: (params: ValidParams<M>) => Promise<Results[M]> };
