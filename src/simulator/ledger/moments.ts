/**
 * The watchers of all rules, moment by moment: a moment costs nothing that no rule looks at.
 * @module
 */
import type { Watcher } from "./observer.ts";

export type Moments = { readonly [Moment in keyof Watcher]-?: readonly NonNullable<Watcher[Moment]>[] };

export function momentsOf(watchers: readonly Watcher[]): Moments {
  const of = <Moment extends keyof Watcher>(moment: Moment): NonNullable<Watcher[Moment]>[] =>
    watchers.flatMap((watcher) => watcher[moment] ?? []);
  return {
    moved: of("moved"),
    says: of("says"),
    records: of("records"),
    sent: of("sent"),
    asked: of("asked"),
    gone: of("gone"),
    answered: of("answered"),
    answeredAll: of("answeredAll"),
    writing: of("writing"),
    durable: of("durable"),
    recovering: of("recovering"),
    recovered: of("recovered"),
    settingAside: of("settingAside"),
    saves: of("saves"),
    snapshot: of("snapshot"),
    proposed: of("proposed"),
    chosen: of("chosen"),
    alsoChosen: of("alsoChosen"),
    activated: of("activated"),
    committed: of("committed"),
    applied: of("applied"),
    acts: of("acts"),
    relies: of("relies"),
    started: of("started"),
    copied: of("copied"),
    ended: of("ended"),
  };
}
