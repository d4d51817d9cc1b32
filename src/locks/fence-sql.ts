/**
 * The guard at the door of a row: pieces of an SQL `UPDATE` that changes nothing for a holder with an old fencing token.
 * Values travel as parameters only.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";
import { type FenceHolder, readHolder } from "./fence.ts";

/**
 * How a statement names its parameters: `$3` (PostgreSQL), `?3` (SQLite), `?` (MySQL, SQLite), `@fence` (SQL Server,
 * SQLite), `:fence` (Oracle, SQLite) or `$fence` (SQLite).
 */
export type PlaceholderStyle = "$1" | "?1" | "?" | "@name" | ":name" | "$name";

/** Options of `fenceSql`. */
export interface FenceSqlOptions {
  /** How parameters are written. Default `$1`. */
  readonly style?: PlaceholderStyle;
  /** `$1`, `?1`: the number that the token's parameter has; those before it are yours. Default 1. */
  readonly at?: number;
  /** `@name`, `:name`, `$name`: what the token's parameter is called. Default `fence`. */
  readonly parameter?: string;
  /** The column with the greatest token of exclusive holders: 64 bits, NULL or 0 at first. Default `fence`. */
  readonly column?: string;
  /** Only where shared holders write too: the column with their greatest token. Default: none. */
  readonly sharedColumn?: string;
}

/** Pieces of one `UPDATE`. */
export interface SqlFence {
  /** For the SET clause: remembers the token. */
  readonly set: string;
  /** For the WHERE clause: false once a greater token has come. */
  readonly where: string;
  /** The token, for those who lay their parameters out themselves. */
  readonly token: bigint;
  /** The parameters that `set` needs, in their order; with numbers or names one is enough for both clauses. */
  readonly setValues: readonly bigint[];
  /** The parameters that `where` needs beside those of `set`, in their order. */
  readonly whereValues: readonly bigint[];
  /** The same by name, for drivers that take an object; empty for styles without names. */
  readonly named: Readonly<Record<string, bigint>>;
  /**
   * Give it the number of rows that were changed; `null`, which some drivers have for none, is none.
   * @throws {ViewstampError} `Fenced` if there were none: a greater token has come before (or the row does not exist);
   * `InvalidInput` for what is no number of rows
   */
  check(changed: number | bigint | null): void;
}

const STYLES: readonly string[] = ["$1", "?1", "?", "@name", ":name", "$name"];

/**
 * Guards a row in a database. The token has its column in the row; the same statement compares it, writes the data and
 * remembers it, so that nothing can come in between. No value is part of the text.
 *
 * @example
 * ```ts
 * const fenced = fenceSql(lock, { at: 3 });
 * const { rowCount } = await db.query(
 *   `UPDATE invoice SET total = $1, ${fenced.set} WHERE id = $2 AND ${fenced.where}`,
 *   [total, id, ...fenced.setValues],
 * );
 * fenced.check(rowCount);
 *
 * // with "?", parameters stand in the order of the text
 * const plain = fenceSql(lock, { style: "?" });
 * await db.execute(`UPDATE invoice SET total = ?, ${plain.set} WHERE id = ? AND ${plain.where}`, [
 *   total,
 *   ...plain.setValues,
 *   id,
 *   ...plain.whereValues,
 * ]);
 * ```
 *
 * @throws {ViewstampError} `InvalidInput` for what is no token, `InvalidOptions` for a style, number or name that is none,
 * and for a shared holder without `sharedColumn`
 */
export function fenceSql(holder: FenceHolder | bigint, options: FenceSqlOptions = {}): SqlFence {
  const { token, mode } = readHolder(holder);
  const { style = "$1", at = 1, parameter = "fence", column = "fence", sharedColumn } = options;
  const mark = placeholder(style, at, parameter);
  const own = readColumn(column, "column");
  const beside = sharedColumn === undefined ? undefined : readColumn(sharedColumn, "sharedColumn");
  if (mode === "shared" && beside === undefined) {
    throw invalid("shared holders write beside each other: name the column of their tokens (sharedColumn)");
  }
  const not = (greatest: string): string => `COALESCE(${greatest}, 0) <= ${mark}`;
  const raised = `${beside} = CASE WHEN COALESCE(${beside}, 0) > ${mark} THEN ${beside} ELSE ${mark} END`;
  const set = mode === "shared" ? raised : `${own} = ${mark}`;
  const where = mode === "shared" || beside === undefined ? not(own) : `(${not(own)} AND ${not(beside)})`;
  const times = (text: string): bigint[] => Array.from({ length: text.split(mark).length - 1 }, () => token);
  return {
    set,
    where,
    token,
    setValues: style === "?" ? times(set) : [token],
    whereValues: style === "?" ? times(where) : [],
    named: style.endsWith("name") ? { [parameter]: token } : {},
    check: (changed) => {
      const count = Number(changed);
      if (count === 0) throw unchangedError(token);
      // Whatever a driver gives where it does not know, it is no promise that the row was written.
      if (!(count > 0)) throw notCountedError(changed);
    },
  };
}

function placeholder(style: string, at: number, parameter: string): string {
  if (!STYLES.includes(style)) throw invalid(`style must be one of ${STYLES.join(" ")}, not ${JSON.stringify(style)}`);
  if (style === "?") return "?";
  const sign = style[0]!;
  if (style.endsWith("name")) {
    if (typeof parameter !== "string" || !/^[A-Za-z_]\w{0,62}$/.test(parameter)) {
      throw invalid(`parameter must be a plain identifier, not ${JSON.stringify(parameter)}`);
    }
    return `${sign}${parameter}`;
  }
  if (!Number.isInteger(at) || at < 1 || at > 65_535) throw invalid(`at must be a whole number from 1 to 65535`);
  return `${sign}${at}`;
}

/** A column becomes part of the text, so it is a plain identifier, perhaps with its table before it. */
function readColumn(column: unknown, option: string): string {
  if (typeof column === "string" && /^[A-Za-z_]\w{0,62}(\.[A-Za-z_]\w{0,62})?$/.test(column)) return column;
  throw invalid(`${option} must be a plain identifier such as fence or invoice.fence, not ${JSON.stringify(column)}`);
}

function unchangedError(token: bigint): ViewstampError {
  const why = `no row was changed: a token greater than ${token} has come before, or there is no such row`;
  return new ViewstampError("Fenced", why, { data: { token } });
}

function notCountedError(changed: unknown): ViewstampError {
  return new ViewstampError("InvalidInput", `check takes the number of rows that were changed, not ${String(changed)}`);
}

function invalid(message: string): ViewstampError {
  return new ViewstampError("InvalidOptions", message);
}
