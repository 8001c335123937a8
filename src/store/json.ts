/** JSON that holds infinity, which result lines have as a rate: as 1e999, a number to every reader, and infinite. */

type Fields = Readonly<Record<string, unknown>>;

/** Not yet in TypeScript's library. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

export const toJson = (fields: Fields): string =>
  JSON.stringify(fields, (_, value: unknown) =>
    value === Infinity || value === -Infinity ? rawJSON(value > 0 ? "1e999" : "-1e999") : value,
  );

export const fromJson = (text: string): Fields => JSON.parse(text) as Fields;
