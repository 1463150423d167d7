// The part of the address after '#': which team is shown, and for one moment the token of a link.

/** @param {string} fragment location.hash @returns {{team: string | null, token: string | null}} */
export function parseFragment(fragment) {
  const fields = new URLSearchParams(fragment.replace(/^#/, ''));
  return { team: fields.get('team') || null, token: fields.get('token') || null };
}

/** @param {{team: string | null}} view @returns {string} '' or '#team=…' */
export function formatFragment(view) {
  return view.team ? `#${new URLSearchParams({ team: view.team })}` : '';
}
