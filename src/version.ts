import packageJson from "../package.json" with { type: "json" };

/** The program's version, as `--version` and the results give it. */
export const version: string = packageJson.version;
