/**
 * What a replicated state machine is made of, as types: `defineMachine` makes one, `replicated` runs it, a client takes
 * the types of its calls from it.
 * @module
 */
import type { SessionId } from "../protocol/session.ts";
import type { Viewstamp } from "../protocol/view.ts";
import type { NameCheck, NamesCheck, Refused } from "./names.ts";

/** A type that is no promise; for one that is, what the compiler says. */
export type Synchronous<Value> =
  Value extends PromiseLike<unknown> ? Refused<"a machine is synchronous: no async function, no promise"> : Value;

/** A synchronous valibot schema, as far as types go: what it takes, and what it makes of that. */
export interface Schema<Input = unknown, Parsed = Input> {
  /** Valibot's mark of a schema. */
  readonly kind: "schema";
  /** A machine waits for nothing. */
  readonly async: false;
  /** Only there for the compiler. */
  readonly "~types"?: { readonly input: Input; readonly output: Parsed } | undefined;
}

/** What a machine may know and do when the log moves it on. Only valid until the handler returns. */
export interface StepContext {
  /**
   * Replicated time in milliseconds: the same on every replica, never going back. It counts the time during which the
   * cluster was active; it is not a wall clock.
   */
  readonly now: number;
  /** The place in the log that is being executed: unique, increasing, the same on every replica. */
  readonly viewstamp: Viewstamp;
  /**
   * A number in [0, 1), the same on every replica: sfc32 (Chris Doty-Humphrey, PractRand), seeded from the viewstamp.
   * Anyone can compute it, so it is no secret.
   */
  random(): number;
  /**
   * Sends a value to a session, once this entry is executed. A notice can be lost with a connection or a replica, so
   * what must arrive belongs into `notices` of the definition too.
   */
  notify(session: SessionId, value: unknown): void;
}

/** A step made by a client's command. */
export interface CommandContext extends StepContext {
  /** Whose command it is. */
  readonly session: SessionId;
}

/** A step made by the end of a session. */
export interface SessionEndContext extends StepContext {
  /** It was silent beyond its TTL. Otherwise its client has ended it, and does nothing more in its name. */
  readonly isLost: boolean;
}

/** What a query may know. */
export interface QueryContext {
  /**
   * Replicated time in milliseconds, as in `StepContext`; of a local read that of the last command. After a fail-over it goes
   * on from the last command too, so it may be less than what a query was told before: let no answer depend on its growing.
   */
  readonly now: number;
}

/** A command of a machine: callable as its handler, with the schema of its input. `command` makes one. */
export interface Command<State, Input, Output, Parsed = Input> {
  /** Its handler. */
  (state: State, input: Parsed, ctx: CommandContext): Output;
  /** Tells commands from queries. */
  readonly kind: "command";
  /** What its input must look like. */
  readonly schema: Schema<Input, Parsed>;
}

/** A query of a machine: callable as its handler, with the schema of its input. `query` makes one. */
export interface Query<State, Input, Output, Parsed = Input> {
  /** Its handler. */
  (state: State, input: Parsed, ctx: QueryContext): Output;
  /** Tells commands from queries. */
  readonly kind: "query";
  /** What its input must look like. */
  readonly schema: Schema<Input, Parsed>;
}

/** Any command over this state. */
export interface AnyCommand<State = never> {
  /** Its handler. */
  (state: State, input: never, ctx: CommandContext): unknown;
  /** Tells commands from queries. */
  readonly kind: "command";
  /** What its input must look like. */
  readonly schema: Schema;
}

/** Any query over this state. */
export interface AnyQuery<State = never> {
  /** Its handler. */
  (state: State, input: never, ctx: QueryContext): unknown;
  /** Tells commands from queries. */
  readonly kind: "query";
  /** What its input must look like. */
  readonly schema: Schema;
}

/** What a client gives a command or query. */
export type InputOf<Call extends AnyCommand | AnyQuery> = NonNullable<Call["schema"]["~types"]>["input"];

/** What a command or query answers. */
export type OutputOf<Call extends AnyCommand | AnyQuery> = ReturnType<Call>;

/** No commands, or no queries. */
export type NoCalls = Readonly<Record<never, never>>;

/** Builds a state from the chunks of a snapshot. */
export interface StateRestoration<State> {
  /** Takes the next value that the snapshot's iterator gave. @throws if it is none */
  chunk(value: unknown): void;
  /** Gives the state. @throws if something is missing */
  finish(): State;
}

/** The parts of a machine that are not its name, version and calls. */
export interface MachineParts<State, Notice, Previous> {
  /** Makes the empty state: an object, the same on every replica. */
  readonly init: () => State;
  /**
   * What is outstanding for a session: values that it has to learn and, as far as the state says, has not acted on. The
   * primary sends them again after a fail-over and when the session's client reconnects, so a client may get one twice.
   * It must not change the state.
   *
   * @default none
   */
  readonly notices?: (state: State, session: SessionId) => readonly Notice[];
  /** A session is over (closed, or silent beyond its TTL): let go of what it holds. */
  readonly sessionEnded?: (state: State, session: SessionId, ctx: SessionEndContext) => void;
  /** The replicated time at which `tick` is wanted, or `undefined`. Asked after every step; must be quick. */
  readonly deadline?: (state: State) => number | undefined;
  /** The deadline has come. It must move the deadline on: one that has passed is due again at once. */
  readonly tick?: (state: State, ctx: StepContext) => void;
  /**
   * The state in slices: an iterator over values (whatever the codec carries), each best about 32 KiB. What it gives is
   * the state at the moment of the call, while the state changes afterwards; see `VersionedMap`. Its first `next` is
   * called at once, so a generator sees the state before it changes.
   *
   * The default encodes the whole state in one go and stops the replica for that long: 20 to 50 ms per MB of small
   * values were measured on a slow machine, twice that to restore it. Fine up to a MB or so.
   *
   * The default restores a tree: what stands in two places of the state becomes two, an object without a prototype gets the
   * usual one, holes of an array are filled. A machine that can tell the difference would differ from a replica restored
   * from a snapshot.
   *
   * @default the state itself, which then consists of plain objects, arrays, Map, Set, Uint8Array, Date and primitives
   */
  readonly snapshot?: (state: State) => Iterator<unknown>;
  /** Begins to build a state from such a snapshot; required with `snapshot`. */
  readonly restore?: () => StateRestoration<State>;
  /**
   * The version before this one. A cluster that runs it goes on running it until all of its members can run this one; then
   * all switch at the same place in their logs. Keep the definition as it was, its own `previous` too as long as there
   * may be data of that.
   *
   * @default none: the program starts only on new data, or on data of this very version
   */
  readonly previous?: PreviousMachine<Previous>;
  /**
   * Makes this version's state of the previous one's; required with `previous`. It runs on every replica, under the same
   * law as commands, in one step: nothing else is done meanwhile. It may take parts of the old state over, which nobody
   * uses afterwards. If it throws the cluster stays at the previous version and each replica's observer is told why: mend it
   * under the same version number, and restart all nodes with that program, one by one. Until then restart none with the
   * broken one: a process remembers that its `migrate` failed, a new one does not. It would then fail alone, and its replica
   * stop with `Diverged`.
   */
  readonly migrate?: (state: Previous) => State;
}

/** A machine of an earlier version, as far as `migrate` has to know it. */
export interface PreviousMachine<State> extends AnyMachine {
  /** Tells the type of its state. */
  readonly init: () => State & object;
}

/** A replicated state machine, as `defineMachine` gives it. Frozen. */
export interface Machine<
  Name extends string,
  State extends object,
  Commands extends Readonly<Record<string, AnyCommand<State>>>,
  Queries extends Readonly<Record<string, AnyQuery<State>>> = NoCalls,
  Notice = never,
> extends MachineParts<State, Notice, never> {
  /** The mark of `defineMachine`. */
  readonly kind: "machine";
  /** An identifier, unique in the cluster. */
  readonly name: Name;
  /** Counts up from 1. */
  readonly version: number;
  /** The commands by name. */
  readonly commands: Commands;
  /** The queries by name. */
  readonly queries: Queries;
}

/** Any machine, whatever its state and calls are. Its fields are those of `Machine`. */
export interface AnyMachine {
  /** The mark of `defineMachine`. */
  readonly kind: "machine";
  /** An identifier, unique in the cluster. */
  readonly name: string;
  /** Counts up from 1. */
  readonly version: number;
  /** The commands by name. */
  readonly commands: Readonly<Record<string, AnyCommand>>;
  /** The queries by name. */
  readonly queries: Readonly<Record<string, AnyQuery>>;
  /** Makes the empty state. */
  readonly init: () => object;
  /** What is outstanding for a session. */
  readonly notices?: (state: never, session: SessionId) => readonly unknown[];
  /** Lets go of what a session holds. */
  readonly sessionEnded?: (state: never, session: SessionId, ctx: SessionEndContext) => void;
  /** When `tick` is wanted. */
  readonly deadline?: (state: never) => number | undefined;
  /** The deadline has come. */
  readonly tick?: (state: never, ctx: StepContext) => void;
  /** The state in slices. */
  readonly snapshot?: (state: never) => Iterator<unknown>;
  /** Begins to build a state from slices. */
  readonly restore?: () => StateRestoration<object>;
  /** The version before this one. */
  readonly previous?: AnyMachine;
  /** Makes this version's state of the previous one's. */
  readonly migrate?: (state: never) => object;
}

/** The notices of a machine. */
export type NoticeOf<Of extends AnyMachine> = Of extends {
  readonly notices?: (state: never, session: SessionId) => readonly (infer Notice)[];
}
  ? Notice
  : never;

/** What `defineMachine` takes. */
export type MachineDefinition<
  Name extends string,
  State extends object,
  Commands,
  Queries,
  Notice,
  Previous,
> = MachineDefinitionFields<Name, State, Commands, Queries, Notice, Previous> & {
  readonly name: NameCheck<Name>;
  readonly commands: NamesCheck<Commands, NoCalls>;
  readonly queries?: NamesCheck<Queries, Commands>;
};

/** The fields of a definition, before its names are checked. */
export interface MachineDefinitionFields<Name extends string, State, Commands, Queries, Notice, Previous>
  extends Omit<MachineParts<NoInfer<State>, Notice, Previous>, "init"> {
  /** An identifier, unique in the cluster: with several machines it is a member of the client. */
  readonly name: Name;
  /** Counts up from 1 with every change of what commands do or the state is; see `previous`. One version is one definition. */
  readonly version: number;
  /** Makes the empty state: an object, the same on every replica. */
  readonly init: () => Synchronous<State>;
  /** Change the state; each is executed once, in the same order on every replica. */
  readonly commands: Commands;
  /** Read the state and change nothing. */
  readonly queries?: Queries;
}
