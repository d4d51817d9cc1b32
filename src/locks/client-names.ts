/**
 * Names as the cluster knows them. Semaphores have names of their own: theirs begin with a "-", as no lock's name may.
 * @module
 */

const SEMAPHORES = "-semaphore/";

/** What the cluster calls a semaphore. */
export function semaphoreName(name: string): string {
  return SEMAPHORES + name;
}

/** The name of the semaphore, if the cluster's name is one of a semaphore. */
export function semaphoreIn(name: string): string | undefined {
  return name.startsWith(SEMAPHORES) ? name.slice(SEMAPHORES.length) : undefined;
}

/** A name as it was asked for. */
export function shownName(name: string): string {
  return semaphoreIn(name) ?? name;
}
