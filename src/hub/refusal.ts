/** Why the Hub did not give what was asked, each case with a sentence that says what to do. */
import { UserError } from "../user-error.ts";
import { askedWaitMs } from "./headers.ts";
import { pageOf, type Repository } from "./hub.ts";
import type { HubSettings } from "./settings.ts";

/**
 * unreachable: no answer; broken: an answer that stopped or is not what it should be; busy: the server's own trouble;
 * limited: too many requests; revision: the repository has no such revision; refused: access or existence.
 */
export type HubErrorKind = "unreachable" | "broken" | "busy" | "limited" | "revision" | "refused";

export class HubError extends UserError {
  readonly kind: HubErrorKind;
  /** How long the server asks to wait before the next try; null if it does not say. */
  readonly waitMs: number | null;

  constructor(kind: HubErrorKind, message: string, more: ErrorOptions & { waitMs?: number } = {}) {
    super(message, more);
    this.kind = kind;
    this.waitMs = more.waitMs ?? null;
  }
}

/** The error for an answer that is neither success nor redirect. */
export function refusal(
  settings: HubSettings,
  repository: Repository,
  { status, headers }: Pick<Response, "status" | "headers">,
): HubError {
  const { token, tokenSource } = settings;
  const page = pageOf(settings, repository);
  const { id, type, revision } = repository;
  const code = headers.get("x-error-code");
  const said = headers.get("x-error-message");
  const refused = (message: string) => new HubError("refused", message);

  if (status === 408 || status >= 500)
    return new HubError(
      "busy",
      `${settings.endpoint} is in trouble (status ${status}); try later.`,
      {
        ...waitOf(headers),
      },
    );
  if (status === 429) return limited(settings, headers);
  if (code === "RevisionNotFound")
    return new HubError(
      "revision",
      `${id} has no revision '${revision}'; ${page} lists what it has.`,
    );
  if (code === "GatedRepo") return refused(gated(settings, id, page));
  if (code === "EntryNotFound") return refused(`${page} lacks a file that its list names.`);
  if (said === "Access to this resource is disabled.")
    return refused(`${id} has been disabled by the Hub (see ${page}); use another ${type}.`);
  if (status === 401 && said === "Invalid credentials in Authorization header")
    return refused(
      `The token in ${tokenSource} is not valid, or has expired; make one at ${settings.endpoint}/settings/tokens.`,
    );
  if (status === 401 || status === 404 || code === "RepoNotFound") {
    return refused(
      token === null
        ? `${id} is no ${type} that ${settings.endpoint} shows to everyone: it does not exist, or is private or gated. ` +
            `Check its name; if you have access, put a token in ${tokenSource}.`
        : `${id} is no ${type} that ${settings.endpoint} shows to the owner of the token in ${tokenSource}: ` +
            "it does not exist, or is private. Check its name, and whose token it is.",
    );
  }
  if (status === 403) return refused(forbidden(settings, id, said));
  return refused(`${page} answers with status ${status}${said ? `: ${said}` : ""}.`);
}

function gated({ token, tokenSource }: HubSettings, id: string, page: string): string {
  return token === null
    ? `${id} is gated. Accept its conditions at ${page}, then put a token of yours in ${tokenSource}.`
    : `${id} is gated, and the owner of the token in ${tokenSource} has no access yet. Accept its conditions at ${page}; ` +
        "a fine-grained token needs read access to gated repositories.";
}

function forbidden(
  { token, tokenSource, endpoint }: HubSettings,
  id: string,
  said: string | null,
): string {
  const reason = said ? ` (${said})` : "";
  return token === null
    ? `${endpoint} forbids access to ${id}${reason}; put a token in ${tokenSource}.`
    : `The token in ${tokenSource} lacks the permission to read ${id}${reason}; ` +
        `give it read access at ${endpoint}/settings/tokens.`;
}

function limited({ token, tokenSource, endpoint }: HubSettings, headers: Headers): HubError {
  const wait = waitOf(headers);
  const when = wait.waitMs === undefined ? "later" : `in ${Math.ceil(wait.waitMs / 1000)} s`;
  const hint = token === null ? `, or put a token in ${tokenSource}, which raises the limit` : "";
  return new HubError(
    "limited",
    `${endpoint} has had too many requests from here (status 429); try again ${when}${hint}.`,
    wait,
  );
}

function waitOf(headers: Headers): { waitMs?: number } {
  const waitMs = askedWaitMs(headers);
  return waitMs === null ? {} : { waitMs };
}
