/**
 * A failure that is the user's to mend: its message is one sentence that says what was wrong, what was expected
 * and what to do. The program prints it without a stack trace and ends with exit code 1.
 */
export class UserError extends Error {}

/** A mistake in the command line itself, whatever the state of the world: exit code 2. */
export class UsageError extends UserError {}
