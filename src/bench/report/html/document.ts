/** The frame of a page that needs nothing else, neither network nor script. */
import { version } from "../../../version.ts";
import { Markup, markup } from "./markup.ts";
import { style } from "./style.ts";

export interface PageHead {
  readonly heading: string;
  readonly subtitle: string;
  readonly now: Date;
}

export function htmlDocument(
  { heading, subtitle, now }: PageHead,
  body: readonly (Markup | null)[],
): string {
  return markup`${new Markup("<!doctype html>")}
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${heading}</title><style>${new Markup(style)}</style></head>
<body><header><h1>${heading}</h1><p>${subtitle}</p></header>${body}<footer>Made by servebench ${version} on ${now.toISOString().slice(0, 10)}.</footer></body></html>
`.text;
}
