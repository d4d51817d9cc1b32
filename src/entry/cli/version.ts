/**
 * The version that `viewstamp --version` prints; a test compares it with package.json.
 * @module
 */
export const VERSION = "0.1.0";
