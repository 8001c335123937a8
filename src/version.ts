import packageJson from "../package.json" with { type: "json" };

/** The program's version, as `--version` and the results give it. */
export const version: string = packageJson.version;

/** The commit that the executable was built from; null in a checkout, which may hold anything. `scripts/build` fills it in. */
export const commit: string | null = process.env.SERVEBENCH_COMMIT ?? null;
