// The part of the address after '#': which team is shown, whether it is seen through a share link, and for one moment
// the token of a link.

/**
 * @param {string} fragment location.hash
 * @returns {{team: string | null, token: string | null, share: string | null, shared: boolean}} token: of a session;
 *   share: of a share link; shared: such a link was opened before, and its cookie is there
 */
export function parseFragment(fragment) {
  const fields = new URLSearchParams(fragment.replace(/^#/, ''));
  /** @param {string} name */
  const field = (name) => fields.get(name) || null;
  return { team: field('team'), token: field('token'), share: field('share'), shared: field('shared') !== null };
}

/** @param {{team: string | null, shared?: boolean}} view @returns {string} '' or '#team=…' or '#shared=1&team=…' */
export function formatFragment({ team, shared = false }) {
  const fields = new URLSearchParams({ ...(shared ? { shared: '1' } : {}), ...(team ? { team } : {}) });
  return fields.size > 0 ? `#${fields}` : '';
}
