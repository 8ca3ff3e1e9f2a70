/**
 * Tokens: who may work on which run until when, signed with the server's secret. A token is
 * base64url(JSON) "." base64url(HMAC-SHA256); whoever holds one needs nothing else.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { TexgradError } from "../../ir/errors.ts";

/** What a token allows. */
export interface Claims {
  readonly run: string;
  /** Seconds since 1970. */
  readonly expires: number;
  /** Whom it was given to, for logs and for revoking it. */
  readonly name: string;
}

/** Names of runs: they stand in URLs and in names of folders. */
export const isRunName = (name: string): boolean => /^\w[\w-]{0,63}$/.test(name);

/** Fewer bytes could be guessed. */
const MIN_SECRET = 16;
const MAX_TOKEN = 1024;

export function checkSecret(secret: string): string {
  if (secret.length >= MIN_SECRET) return secret;
  throw new TexgradError(
    `secret: ${secret.length} characters, must be ${MIN_SECRET} or more; \`openssl rand -hex 32\` makes a good one`,
  );
}

const sign = (secret: string, body: string): Buffer => createHmac("sha256", secret).update(body).digest();

/** A token for `name` to work on `run` for so many seconds, an hour unless told. */
export function createToken(
  secret: string,
  options: { readonly run: string; readonly name?: string; readonly seconds?: number; readonly now?: number },
): string {
  const { run, name = "", seconds = 3600, now = Date.now() } = options;
  if (!isRunName(run)) throw new TexgradError(`createToken: run "${run}": takes letters, digits, _ and -, at most 64`);
  const claims: Claims = { run, name, expires: Math.floor(now / 1000) + seconds };
  const body = Buffer.from(JSON.stringify(claims)).toString("base64url");
  return `${body}.${sign(checkSecret(secret), body).toString("base64url")}`;
}

/** What a token allows, or why it allows nothing. */
export function verifyToken(secret: string, token: string, now: number): Claims | string {
  if (token.length > MAX_TOKEN) return "the token is too long";
  const [body, mac, ...more] = token.split(".");
  if (body === undefined || mac === undefined || more.length > 0) return "the token is not of the form body.mac";
  const wanted = sign(secret, body);
  const given = Buffer.from(mac, "base64url");
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return "the token was not signed here";
  // Signed by us: its body is what createToken made.
  const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as Claims;
  return claims.expires * 1000 > now ? claims : "the token has expired";
}
