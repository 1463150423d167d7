// The panel: which team, how many of it are online, and whether what is shown can be trusted.
import { formatMoment, formatTime } from './format.mjs';
import { element } from './page.mjs';
import { texts } from './texts.mjs';

/** @typedef {import('./api.mjs').TeamCount} TeamCount */
/** @typedef {import('./stream.mjs').Connection} Connection */

export class Panel {
  #badge = element('badge');
  #team = /** @type {HTMLSelectElement} */ (element('team'));
  /** @type {Connection} */
  #connection = { kind: 'connecting' };
  #everLive = false;
  /** @type {number | null} */
  #heardMs = null;

  /** @param {{onTeam: (team: string) => void, onFit: () => void, onShare: () => void, onSignOut: () => void}} options */
  constructor({ onTeam, onFit, onShare, onSignOut }) {
    this.#team.addEventListener('change', () => onTeam(this.#team.value));
    element('fit').addEventListener('click', onFit);
    element('share').addEventListener('click', onShare);
    element('sign-out').addEventListener('click', onSignOut);
  }

  /**
   * Lists the teams. Options are kept where they can be, for the list may be open.
   * @param {TeamCount[]} teams @param {string | null} current one that is not listed is shown nevertheless
   */
  showTeams(teams, current) {
    const rows = teams.map(({ team, online, workers }) => ({ team, text: teamText(team, online, workers) }));
    if (current !== null && !teams.some(({ team }) => team === current)) rows.unshift({ team: current, text: current });
    const { options } = this.#team;
    rows.forEach(({ team, text }, i) => {
      if (i >= options.length) options.add(new Option(text, team));
      if (options[i].value !== team) options[i].value = team;
      if (options[i].textContent !== text) options[i].textContent = text;
    });
    while (options.length > rows.length) options.remove(options.length - 1);
    this.#team.disabled = rows.length === 0;
    if (current !== null && this.#team.value !== current) this.#team.value = current;
  }

  /** @param {string} team one that is not listed is added */
  selectTeam(team) {
    if (![...this.#team.options].some((option) => option.value === team)) this.#team.add(new Option(team, team));
    this.#team.disabled = false;
    this.#team.value = team;
  }

  /** @param {import('./roster.mjs').Roster | null} roster null while nothing is known of the team */
  showCount(roster) {
    element('count').classList.toggle('unknown', roster === null);
    const { online = 0, stale = 0, total = 0, located = 0 } = roster ?? {};
    setText('online', roster ? texts.onlineNumber(online) : texts.unknown);
    setText('total', roster ? texts.onlineRest(total, stale) : '');
    element('bar').style.width = total > 0 ? `${(100 * online) / total}%` : '0';
    element('unlocated').hidden = total === located;
    setText('unlocated', texts.unlocated(total - located));
    const shown = this.#team.selectedOptions[0];
    if (roster && shown) shown.textContent = texts.teamOption(shown.value, online, total);
  }

  /**
   * What the session is for: managers can share; who looks through a shared link is told what it shows, and until when.
   * @param {import('./api.mjs').Session | null} session
   */
  showSession(session) {
    const shared = session?.role === 'viewer';
    element('share').hidden = session === null || shared;
    element('team-field').hidden = shared;
    element('sign-out').textContent = shared ? texts.closeShared : texts.signOut;
    element('shared').hidden = !shared;
    if (session === null || !shared) return;
    const until = formatMoment(Date.parse(session.expires_at));
    setText('shared', texts.shared(session.worker ?? session.team ?? '', until));
  }

  /** A sentence about why there is nothing to see; null removes it. @param {string | null} text */
  showNotice(text) {
    element('notice').hidden = text === null;
    setText('notice', text ?? '');
  }

  /** @param {Connection} connection @param {number | null} heardMs when the server was last heard */
  showConnection(connection, heardMs) {
    const before = this.#connection.kind;
    this.#connection = connection;
    this.#heardMs = heardMs;
    this.#badge.dataset.kind = connection.kind === 'connecting' && this.#everLive ? 'waiting' : connection.kind;
    if (connection.kind === 'live') {
      if (this.#everLive && before !== 'live') setText('announce', texts.announceLive);
      this.#everLive = true;
    } else if (connection.kind === 'waiting' && before === 'live') {
      setText('announce', texts.announceLost);
    } else if (connection.kind === 'stale' && before !== 'stale') {
      setText('announce', texts.announceStale);
    }
    this.tick();
  }

  /** A new team begins without a past. */
  forgetConnection() {
    this.#everLive = false;
    this.#heardMs = null;
  }

  /** Once a second: what counts down. */
  tick() {
    const connection = this.#connection;
    const trusted = connection.kind === 'live' || this.#heardMs === null;
    setText('badge-text', this.#words(connection));
    element('as-of').hidden = trusted;
    setText('as-of', trusted ? '' : texts.asOf(formatTime(this.#heardMs ?? 0)));
  }

  /** @param {Connection} connection @returns {string} */
  #words(connection) {
    switch (connection.kind) {
      case 'live':
        return texts.live;
      case 'stale':
        return texts.staleSince(formatTime(connection.sinceMs));
      case 'waiting': {
        const seconds = Math.ceil((connection.untilMs - Date.now()) / 1000);
        return seconds > 0 ? texts.reconnectingIn(seconds) : texts.reconnecting;
      }
      case 'ended':
        return texts.ended;
      case 'connecting':
        return this.#everLive ? texts.reconnecting : texts.connecting;
    }
  }
}

/**
 * Changes a text only when it differs, so that a screen reader is not told the same twice.
 * @param {string} id @param {string} text
 */
function setText(id, text) {
  const target = element(id);
  if (target.textContent !== text) target.textContent = text;
}

/** @param {string} team @param {number | undefined} online @param {number | undefined} workers */
function teamText(team, online, workers) {
  return online === undefined || workers === undefined ? team : texts.teamOption(team, online, workers);
}
