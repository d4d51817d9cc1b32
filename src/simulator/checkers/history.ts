/**
 * What clients asked and were told, with the moments in between: the input of the checkers.
 * @module
 */

/** An operation on one register. Absent is `null`. */
export type RegisterOp =
  | { readonly type: "get"; readonly value: string | null }
  /** `found`, if it is there: what the value was before. */
  | { readonly type: "put"; readonly value: string | null; readonly found?: string | null }
  | { readonly type: "append"; readonly value: string }
  /** Sets `to` if the value is `from`; `done` says whether it was, `found`, if it is there, what the value was. */
  | {
      readonly type: "cas";
      readonly from: string | null;
      readonly to: string | null;
      readonly done: boolean;
      readonly found?: string | null;
    };

/** Made at `call`, answered at `end`; without an end the outcome was never learned: it may happen at any time, or never. */
export interface HistoryEntry<Op> {
  readonly client: number;
  readonly call: number;
  readonly end: number | undefined;
  /** An operation without an end has the answer it would give if it happened with success. */
  readonly op: Op;
}
