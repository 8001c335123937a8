/** A benchmark cannot run for a reason that the user can mend; the message says what to do. */
export class BenchError extends Error {}
