// The gateway's HTTP API (docs/http-api.md). Every call throws an ApiError when the answer is not what was asked for.

export class ApiError extends Error {
  /** @param {number} status 0 when the server could not be reached @param {string} code @param {string} message */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * Counts are missing where the session is for one worker only.
 * @typedef {{team: string, workers?: number, online?: number, stale?: number, offline?: number}} TeamCount
 */
/** @typedef {{role: string, expires_at: string, team?: string, worker?: string}} Session */
/**
 * @typedef {{id: string, url?: string, worker?: string, label?: string, made_by: string, created_at: string,
 *   expires_at: string}} Share
 */

const TIMEOUT_MS = 10000;
const API = '/api/v1';
let base = API;

/** Whether to ask with the cookie of a share link, which is beside that of a session. @param {boolean} shared */
export function useShared(shared) {
  base = shared ? `${API}/shared` : API;
}

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
  await request(`${base}/session`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } });
}

export async function closeSession() {
  await request(`${base}/session`, { method: 'DELETE' });
}

/** @returns {Promise<Session>} */
export async function getSession() {
  return json(await request(`${base}/session`));
}

/** @returns {Promise<{version: string, style_url: string}>} */
export async function getConfig() {
  return json(await request(`${API}/config`));
}

/** @returns {Promise<TeamCount[]>} */
export async function getTeams() {
  return (await json(await request(`${base}/teams`))).teams;
}

/** @param {string} team @param {string} [id] */
function sharesUrl(team, id) {
  return `${base}/teams/${encodeURIComponent(team)}/shares${id === undefined ? '' : `/${encodeURIComponent(id)}`}`;
}

/** @param {string} team @returns {Promise<Share[]>} */
export async function listShares(team) {
  return (await json(await request(sharesUrl(team)))).shares;
}

/** @param {string} team @param {{worker: string, label: string, expires_in_s: string}} wanted '' for none */
export async function makeShare(team, wanted) {
  const query = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value !== ''));
  return json(await request(`${sharesUrl(team)}?${query}`, { method: 'POST' }));
}

/** @param {string} team @param {string} id */
export async function revokeShare(team, id) {
  await request(sharesUrl(team, id), { method: 'DELETE' });
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
  return `${base}/teams/${encodeURIComponent(team)}/stream`;
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
