// The gateway's HTTP API (docs/http-api.md). Every call throws an ApiError when the answer is not what was asked for.

export class ApiError extends Error {
  /** @param {number} status 0 when the server could not be reached @param {string} code @param {string} message */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** @typedef {{team: string, workers: number, online: number, stale: number, offline: number}} TeamCount */

const TIMEOUT_MS = 10000;

/** @param {string} path @param {RequestInit} [init] @returns {Promise<Response>} */
async function request(path, init) {
  let response;
  try {
    response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS), ...init });
  } catch (error) {
    throw new ApiError(0, 'unreachable', String(error));
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  const { code, message } = body?.error ?? { code: 'unknown', message: `${response.status} ${response.statusText}` };
  throw new ApiError(response.status, code, message);
}

/** Exchanges a token for the session cookie. @param {string} token */
export async function openSession(token) {
  await request('/api/v1/session', { method: 'POST', headers: { Authorization: `Bearer ${token}` } });
}

export async function closeSession() {
  await request('/api/v1/session', { method: 'DELETE' });
}

/** @returns {Promise<{version: string, style_url: string}>} */
export async function getConfig() {
  return json(await request('/api/v1/config'));
}

/** @returns {Promise<TeamCount[]>} */
export async function getTeams() {
  return (await json(await request('/api/v1/teams'))).teams;
}

/** @param {Response} response @returns {Promise<any>} */
async function json(response) {
  try {
    return await response.json();
  } catch (error) {
    throw new ApiError(0, 'malformed', String(error));
  }
}

/** @param {string} team */
export function streamUrl(team) {
  return `/api/v1/teams/${encodeURIComponent(team)}/stream`;
}

/**
 * Asks for a stream only to see the status of the answer.
 * @param {string} team @returns {Promise<number | null>} null when the server could not be reached
 */
export async function streamStatus(team) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
  try {
    return (await fetch(streamUrl(team), { cache: 'no-store', signal: abort.signal })).status;
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}
