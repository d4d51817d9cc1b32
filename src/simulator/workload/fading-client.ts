/**
 * A client whose calls never end once the seed is over. A workload that calls again and again, whatever comes of it, would
 * otherwise keep the process to itself for ever.
 * @module
 */

export function fadingClient(client: object, isOver: () => boolean): object {
  // The client is frozen, and a proxy of it would have to give what it has: this one is of an object with nothing of its own.
  return new Proxy(Object.create(client) as object, {
    get: (_, key) => {
      const member: unknown = Reflect.get(client, key);
      if (typeof member === "function")
        return (...given: unknown[]) => (isOver() ? new Promise(() => {}) : Reflect.apply(member, client, given));
      return typeof member === "object" && member !== null ? fadingClient(member, isOver) : member;
    },
  });
}
