// The memory storage keeps the contract: the same object is the same data.
import { memoryStorage } from "../../src/storage/memory.ts";
import { testStorage } from "./conformance.ts";

testStorage({
  name: "memory",
  make: () => {
    const storage = memoryStorage();
    return () => storage;
  },
  runs: 200,
});
