/** A benchmark cannot run for a reason that the user can mend; the message says what to do. */
export class BenchError extends Error {}

/** The reason is the value of a flag: the message begins with its name. */
export class BenchUsageError extends BenchError {}
