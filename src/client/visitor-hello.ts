/**
 * What a client says first that only asks about the cluster: it needs no machine of its own, and fits any.
 * @module
 */
import { type Hello, PROTOCOL_LEAST, PROTOCOL_NEWEST } from "../protocol/hello.ts";

export const visitorHello: Hello = {
  protocol: { least: PROTOCOL_LEAST, newest: PROTOCOL_NEWEST },
  role: "client",
  clusterId: undefined,
  node: undefined,
  machines: [],
  options: undefined,
  authentication: undefined,
};
