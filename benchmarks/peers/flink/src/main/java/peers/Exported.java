package peers;

/**
 * What was last exported of a profile: of each mapped segment that it is in the time, as it is written in JSON, and null of
 * the others; the mapped attributes and the identities, as they are written in an export. It is never changed.
 */
record Exported(byte[][] times, byte[] attributes, byte[] identities) {}
