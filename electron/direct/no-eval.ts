/**
 * zod tries whether it may make functions from text, which the page's policy forbids and reports.
 * It tries when a schema is made, so this has to be imported before anything that makes one.
 */
import { z } from "zod";

z.config({ jitless: true });
