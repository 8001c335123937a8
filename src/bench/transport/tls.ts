/** What a user can do about a TLS connection that did not come about. */

/** In the words of BoringSSL, OpenSSL and rustls. First match counts. */
const advices: readonly (readonly [RegExp, string])[] = [
  [/ALTNAME|NotValidForName/, "call the server by a name or address that its certificate holds"],
  [/EXPIRED|NOT_YET_VALID|Expired|NotValidYet/, "its certificate's time is over or has not begun"],
  [
    /CERT|ISSUER|VERIFY|UnknownIssuer|certificate/,
    "NODE_EXTRA_CA_CERTS=FILE.pem trusts a certificate or its authority, NODE_TLS_REJECT_UNAUTHORIZED=0 any",
  ],
  [/EPROTO|WRONG_VERSION|InvalidContentType|corrupt/, "does it speak TLS? http:// is without"],
];

/** For the end of a message about `error`; empty where TLS is not to blame. */
export function tlsAdvice(error: unknown): string {
  const { code = "", message = "" } = (error ?? {}) as { code?: unknown; message?: unknown };
  const said = `${code as string} ${message as string}`;
  const advice = advices.find(([cause]) => cause.test(said))?.[1];
  return advice === undefined ? "" : `: ${advice}`;
}
