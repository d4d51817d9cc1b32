// Free ports, below the range that the system takes for outgoing connections, so that none is taken before its node
// starts, or while it is down.
import { createServer } from "node:net";

const first = 10_000;
const count = 20_000;
const given = new Set<number>();

export async function freePorts(howMany: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < howMany) {
    const port = first + Math.floor(Math.random() * count);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
