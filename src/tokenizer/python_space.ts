/**
 * Chat templates trim text. Python's white space has five characters that JavaScript's has not, and lacks one
 * that it has; in disguise they trim as Python's do.
 */
const notSpace = "\ufeff";
const notSpaceDisguise = "\udc00"; // no well-formed text holds it
/** Disguised as U+FEFF, which is then free, and a white space of both languages. */
const spaces = ["\x1c", "\x1d", "\x1e", "\x1f", "\x85"] as const;

const plain = new RegExp(`[${notSpace}${spaces.join("")}]`, "g");
const disguised = new RegExp(`${notSpaceDisguise}|${notSpace}[\u2000-\u2004]`, "g");

export function disguiseSpaces(text: string): string {
  return text.toWellFormed().replace(plain, (character) => {
    if (character === notSpace) return notSpaceDisguise;
    return (
      notSpace + String.fromCharCode(0x2000 + spaces.indexOf(character as (typeof spaces)[number]))
    );
  });
}

export function revealSpaces(text: string): string {
  return text.replace(disguised, (found) =>
    found === notSpaceDisguise ? notSpace : spaces[found.charCodeAt(1) - 0x2000]!,
  );
}
