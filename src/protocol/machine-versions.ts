/**
 * Which versions of their machines programs can run, and what several programs have in common.
 * @module
 */
import { ViewstampError } from "./errors.ts";
import type { MachineAbility, MachineVersion } from "./machine.ts";

/** Whether a program that can do `able` can run exactly these machines in these versions; both in the order of the names. */
export function canRun(able: readonly MachineAbility[], versions: readonly MachineVersion[]): boolean {
  if (able.length !== versions.length) return false;
  return versions.every(({ name, version }, at) => able[at]?.name === name && able[at].versions.includes(version));
}

/** The newest version of each machine that all programs can run; `undefined` if there is none for one of them. */
export function newestCommon(programs: readonly (readonly MachineAbility[])[]): MachineVersion[] | undefined {
  const [first = [], ...others] = programs;
  const common: MachineVersion[] = [];
  for (const { name, versions } of first) {
    const shared = versions.filter((version) =>
      others.every((able) => able.some((one) => one.name === name && one.versions.includes(version))),
    );
    const newest = shared.at(-1);
    if (newest === undefined) return undefined;
    common.push({ name, version: newest });
  }
  return others.every((able) => able.length === first.length) ? common : undefined;
}

/** The oldest versions that a program can run. */
export function oldestOf(able: readonly MachineAbility[]): MachineVersion[] {
  return able.map(({ name, versions }) => ({ name, version: versions[0] as number }));
}

export function sameVersions(a: readonly MachineVersion[], b: readonly MachineVersion[]): boolean {
  return (
    a.length === b.length && a.every(({ name, version }, at) => name === b[at]?.name && version === b[at]?.version)
  );
}

/** For people: `"kv" version 1 and "stock" version 2`. */
export function versionsText(versions: readonly MachineVersion[]): string {
  if (versions.length === 0) return "no machine";
  return versions.map(({ name, version }) => `"${name}" version ${version}`).join(" and ");
}

/** For people: `"kv" version 1 and "stock" version 1 or 2`. */
export function abilitiesText(able: readonly MachineAbility[]): string {
  if (able.length === 0) return "no machine";
  return able.map(({ name, versions }) => `"${name}" version ${versions.join(" or ")}`).join(" and ");
}

/** What a program that is too old, or too new, must be told. */
export function cannotRun(
  able: readonly MachineAbility[],
  versions: readonly MachineVersion[],
  what: string,
): ViewstampError {
  return new ViewstampError(
    "WrongMachine",
    `${what} ${versionsText(versions)}, this program can run ${abilitiesText(able)}: start this node with a program ` +
      "that has that version, as the machine itself or as its previous",
  );
}
