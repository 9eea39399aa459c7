// Writes arguments down as JSON, exactly, or refuses. The text is what is judged, so it must be what then runs.

/** What arguments are made of. A bigint is written as an exact integer; a property that is undefined is left out. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | { readonly [name: string]: Json | undefined };

/** Arguments: an object at the top. */
export type Arguments = { readonly [name: string]: Json | undefined };

/** The arguments are not exactly representable as a JSON object. The message never holds a value. */
export class ArgumentsError extends TypeError {
  override readonly name = "ArgumentsError";
}

// The contract's bounds. What is over them is refused here instead of being sent.
export const MAX_BYTES = 1 << 20;
export const MAX_DEPTH = 64;

/** The JSON text of an object. Throws ArgumentsError. */
export function encode(args: unknown): string {
  if (!isPlainObject(args)) throw new ArgumentsError("arguments must be a plain object");
  const text = object(args, 1);
  if (Buffer.byteLength(text) > MAX_BYTES) throw new ArgumentsError(`arguments are larger than ${MAX_BYTES} bytes`);
  return text;
}

/** Only these are written by what is in them. A Map, a Date or an instance of a class would show less than it holds. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case "boolean":
    case "bigint":
      return String(value);
    case "number":
      return number(value);
    case "string":
      return quote(value);
    case "object":
      if (value === null) return "null";
      if (depth > MAX_DEPTH) throw new ArgumentsError(`arguments are nested deeper than ${MAX_DEPTH} levels, or in themselves`);
      // Array.from also visits holes, which are undefined and refused.
      if (Array.isArray(value)) return `[${Array.from(value, (item) => write(item, depth + 1)).join(",")}]`;
      if (isPlainObject(value)) return object(value, depth);
      throw new ArgumentsError("a value that is neither a plain object nor an array is not JSON");
    default:
      throw new ArgumentsError(`a value of type ${typeof value} is not JSON`);
  }
}

function object(value: Record<string, unknown>, depth: number): string {
  const fields: string[] = [];
  for (const [name, item] of Object.entries(value)) {
    if (item !== undefined) fields.push(`${quote(name)}:${write(item, depth + 1)}`);
  }
  return `{${fields.join(",")}}`;
}

function number(value: number): string {
  if (!Number.isFinite(value)) throw new ArgumentsError("a number is not finite");
  // Above 2^53 a number stands for several integers, and its text names another than its value: a bigint says which one is meant.
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new ArgumentsError("an integer above 2^53 must be a bigint");
  return JSON.stringify(value);
}

function quote(value: string): string {
  if (/\p{Surrogate}/u.test(value)) throw new ArgumentsError("a text holds a lone surrogate");
  return JSON.stringify(value);
}

/** What was given, with what is to stand there instead: another text, or 0 for a number. Everything else keeps its exact value,
 * which JSON may have spelt differently. */
export function merged(given: unknown, effective: unknown): unknown {
  if (Array.isArray(given) && Array.isArray(effective)) return given.map((value, i) => merged(value, effective[i]));
  if (isPlainObject(given) && isPlainObject(effective)) {
    return Object.fromEntries(Object.entries(given).map(([key, value]) => [key, merged(value, (effective as Record<string, unknown>)[key])]));
  }
  if (typeof given === "string" && typeof effective === "string") return effective;
  if ((typeof given === "number" || typeof given === "bigint") && effective === 0) return 0;
  return given;
}
