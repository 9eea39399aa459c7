// Puts the generated code where tsc and npm look for it. It is committed once, in gen/es.
import { cpSync, rmSync } from "node:fs";

for (const old of ["../src/gen", "../dist"]) rmSync(new URL(old, import.meta.url), { recursive: true, force: true });
cpSync(new URL("../../../gen/es", import.meta.url), new URL("../src/gen", import.meta.url), { recursive: true });
