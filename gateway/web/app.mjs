// The page: makes its parts and connects them. What each does is in its own file.
import { closeSession, getConfig, getSession, getTeams, openSession, streamStatus, streamUrl, useShared } from './api.mjs';
import { backoffMs } from './backoff.mjs';
import { BaseMap } from './basemap.mjs';
import { Card } from './card.mjs';
import { Finder } from './finder.mjs';
import { formatFragment, parseFragment } from './link.mjs';
import { MapView } from './mapview.mjs';
import { element, fillTexts } from './page.mjs';
import { Panel } from './panel.mjs';
import { Roster } from './roster.mjs';
import { ShareDialog } from './share.mjs';
import { SignIn } from './signin.mjs';
import { LiveStream } from './stream.mjs';
import { texts } from './texts.mjs';

/** @typedef {import('./roster.mjs').Worker} Worker */
/** @typedef {import('./stream.mjs').Connection} Connection */

const TEAMS_EVERY_MS = 15000;
const WIDE = matchMedia('(min-width: 700px)');
const DARK = matchMedia('(prefers-color-scheme: dark)');

class App {
  /** @type {string | null} */
  team = null;
  roster = new Roster();
  /** @type {Connection} */
  connection = { kind: 'connecting' };
  /** @type {Worker | null} */
  selected = null;
  /** @type {LiveStream | null} */
  #stream = null;
  #fitted = false;
  #signedIn = false;
  /** Grows with every session and every look at its teams: answers to an older one are of no interest. */
  #turn = 0;
  /** Looking through a share link, with its cookie. */
  #shared = false;
  /** @type {import('./api.mjs').Session | null} */
  session = null;
  /** Server's clock minus ours. */
  #skewMs = 0;
  /** @type {number | null} */
  #heardMs = null;
  #teamsFailed = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #teamsTimer;

  mapView = new MapView(element('map'), {
    isDark: DARK.matches,
    padding: covered,
    onPick: (worker) => this.select(worker),
  });
  panel = new Panel({
    onTeam: (team) => this.openTeam(team, 'push'),
    onFit: () => this.mapView.fit(true),
    onShare: () => this.team !== null && this.share.open(this.team, this.selected?.worker ?? null),
    onSignOut: () => this.signOut(),
  });
  card = new Card({
    onClose: () => this.closeCard(),
    onCenter: (worker) => this.mapView.focus(worker),
  });
  finder = new Finder({
    workers: () => this.roster.workers(),
    onChoose: (worker) => {
      this.select(worker);
      this.mapView.focus(worker);
      this.card.focus();
    },
  });
  share = new ShareDialog();
  signIn = new SignIn({ onSignedIn: () => this.begin() });
  /** @type {BaseMap | null} */
  baseMap = null;

  /** Follows the link that opened the page: its token, then its team. */
  async start() {
    this.#listen();
    this.#startBaseMap();
    const { token, share, shared } = parseFragment(location.hash);
    if (share !== null) return this.#openShare(share);
    this.#setShared(shared && token === null);
    if (token === null) return this.begin();
    this.#forgetToken();
    await this.signIn.exchange(token);
  }

  /** @param {boolean} shared */
  #setShared(shared) {
    this.#shared = shared;
    useShared(shared);
  }

  /** What the link shows, without asking for anything. @param {string} token */
  async #openShare(token) {
    this.#setShared(true);
    this.#forgetToken();
    try {
      await openSession(token);
      this.signIn.hide();
    } catch (error) {
      const { status, message } = /** @type {import('./api.mjs').ApiError} */ (error);
      return this.#sessionEnded(status > 0 ? texts.shareRefused(message) : texts.serverDown);
    }
    await this.begin();
  }

  #listen() {
    addEventListener('hashchange', () => this.#followLink());
    addEventListener('online', () => {
      this.#stream?.hurry();
      this.baseMap?.load();
    });
    addEventListener('pagehide', () => this.#stream?.stop());
    addEventListener('pageshow', (event) => event.persisted && this.#signedIn && this.openTeam(this.team, 'none'));
    DARK.addEventListener('change', () => {
      this.mapView.setDark(DARK.matches);
      this.baseMap?.setDark(DARK.matches);
    });
    setInterval(() => this.#tick(), 1000);
  }

  async #startBaseMap() {
    const config = await getConfig().catch(() => ({ style_url: '' }));
    const note = element('note');
    this.baseMap = new BaseMap(this.mapView.map, {
      styleUrl: config.style_url,
      isDark: DARK.matches,
      onChange: (state) => {
        note.hidden = state !== 'land';
        note.textContent = state === 'land' ? texts.offlineMap : '';
      },
    });
    await this.baseMap.load();
  }

  /** Takes the token out of the address, and with it out of the history. */
  #forgetToken() {
    const { team } = parseFragment(location.hash);
    history.replaceState(null, '', location.pathname + location.search + this.#address(team));
  }

  /** @param {string | null} team */
  #address(team) {
    return formatFragment({ team, shared: this.#shared });
  }

  #followLink() {
    const { team, token, share } = parseFragment(location.hash);
    if (share !== null) {
      this.#endSession();
      this.#openShare(share);
    } else if (token !== null) {
      this.#setShared(false);
      this.#forgetToken();
      this.#endSession();
      this.signIn.exchange(token);
    } else if (this.#signedIn && team !== null && team !== this.team) {
      this.openTeam(team, 'none');
    }
  }

  /** With a session, or to find out whether there is one. */
  async begin() {
    clearTimeout(this.#teamsTimer);
    const turn = ++this.#turn;
    let teams;
    let { session } = this;
    try {
      teams = await getTeams();
      session ??= await getSession().catch(() => null);
    } catch (error) {
      if (turn !== this.#turn) return;
      return this.#teamsRefused(/** @type {import('./api.mjs').ApiError} */ (error));
    }
    if (turn !== this.#turn) return; // somebody else's session by now
    this.session = session;
    this.panel.showSession(session);
    this.#signedIn = true;
    this.#teamsFailed = 0;
    const wanted = this.team ?? parseFragment(location.hash).team ?? teams[0]?.team ?? null;
    this.panel.showTeams(teams, wanted);
    if (this.team === null && wanted !== null) this.openTeam(wanted, 'replace');
    if (wanted === null) this.panel.showNotice(texts.noTeams);
    this.#teamsTimer = setTimeout(() => this.begin(), TEAMS_EVERY_MS);
  }

  /** @param {import('./api.mjs').ApiError} error */
  #teamsRefused(error) {
    if (error.status === 401 || error.status === 403) {
      const reason = error.status === 403 ? texts.tokenRefused(error.message) : null;
      this.#sessionEnded(this.#signedIn || this.#shared ? this.#endText() : reason);
      return;
    }
    if (this.team === null) this.panel.showNotice(texts.serverDown);
    this.#teamsTimer = setTimeout(() => this.begin(), backoffMs(this.#teamsFailed++, Math.random()));
  }

  /** @param {string | null} team @param {'push' | 'replace' | 'none'} history how the address follows */
  openTeam(team, history) {
    this.#stream?.stop();
    this.select(null);
    this.team = team;
    if (team === null) return;
    const address = this.#address(team);
    if (history === 'push' && location.hash !== address) window.history.pushState(null, '', address);
    if (history === 'replace') window.history.replaceState(null, '', address);
    document.title = texts.title(team);
    this.roster = new Roster();
    this.#fitted = false;
    this.#heardMs = null;
    this.mapView.setRoster(this.roster);
    this.panel.selectTeam(team);
    this.panel.forgetConnection();
    this.panel.showCount(null);
    this.panel.showNotice(null);
    this.#openStream(team);
  }

  /** @param {string} team */
  #openStream(team) {
    this.#stream = new LiveStream({
      open: () => new EventSource(streamUrl(team)),
      diagnose: () => streamStatus(team),
      clock: {
        now: () => Date.now(),
        setTimeout: (callback, ms) => setTimeout(callback, ms),
        clearTimeout: (timer) => clearTimeout(timer),
      },
      random: Math.random,
      onSnapshot: (data) => this.#changed(this.roster.applySnapshot(data)),
      onDelta: (data) => this.#changed(this.roster.applyDelta(data)),
      onTime: (timeUs) => {
        this.#heardMs = Date.now();
        this.#skewMs = timeUs / 1000 - this.#heardMs;
      },
      onConnection: (connection) => this.#connectionChanged(connection),
      onRefused: (status) => this.#refused(status, team),
    });
    this.#stream.start();
  }

  /** @param {import('./roster.mjs').Change[]} changes */
  #changed(changes) {
    this.mapView.apply(changes);
    this.panel.showCount(this.roster);
    this.panel.showNotice(this.roster.total === 0 ? texts.noWorkers : null);
    if (!this.#fitted && this.roster.located > 0) {
      this.#fitted = true;
      this.mapView.fit(false);
    }
    if (this.selected && changes.some(({ worker }) => worker === this.selected)) this.card.update(this.serverMs());
  }

  /** @param {Connection} connection */
  #connectionChanged(connection) {
    this.connection = connection;
    this.panel.showConnection(connection, this.#heardMs);
    this.mapView.setFaded(connection.kind !== 'live');
  }

  /** @param {number} status @param {string} team */
  #refused(status, team) {
    if (status === 401) return this.#sessionEnded(this.#endText());
    this.panel.showNotice(status === 403 ? texts.forbiddenTeam(team) : texts.unknownTeam(team));
  }

  /** @param {Worker | null} worker */
  select(worker) {
    this.selected = worker;
    this.mapView.select(worker);
    this.card.show(worker, this.serverMs());
  }

  /** Closes the card; a keyboard that was in it goes back to the search. */
  closeCard() {
    const inCard = element('card').contains(document.activeElement);
    this.select(null);
    if (inCard) element('find').focus();
  }

  async signOut() {
    try {
      await closeSession();
      this.#sessionEnded(this.#shared ? texts.shareClosed : texts.signedOut);
    } catch {
      this.panel.showNotice(texts.serverDown);
    }
  }

  #endSession() {
    this.#stream?.stop();
    this.#stream = null;
    clearTimeout(this.#teamsTimer);
    this.#turn++;
    this.#signedIn = false;
    this.session = null;
    this.share.close();
    this.openTeam(null, 'none');
    this.roster = new Roster();
    this.mapView.setRoster(this.roster);
    this.panel.showTeams([], null);
    this.panel.showCount(null);
    this.panel.showNotice(null);
    this.panel.showSession(null);
    this.#connectionChanged({ kind: 'ended' });
  }

  /** Nothing of a team stays on the page without a session. @param {string | null} message */
  #sessionEnded(message) {
    this.#endSession();
    if (this.#shared) {
      // what comes now is a session, or another link
      this.#setShared(false);
      history.replaceState(null, '', location.pathname + location.search);
    }
    this.signIn.show(message);
  }

  #endText() {
    return this.#shared ? texts.shareEnded : texts.sessionEnded;
  }

  serverMs() {
    return Date.now() + this.#skewMs;
  }

  #tick() {
    this.panel.tick();
    if (this.selected) this.card.update(this.serverMs());
  }
}

/**
 * What the panel and an open card cover of the map, with some air.
 * @returns {{top: number, right: number, bottom: number, left: number}}
 */
function covered() {
  const air = 40;
  const panel = element('panel').getBoundingClientRect();
  const card = element('card').getBoundingClientRect();
  return WIDE.matches
    ? { top: air, right: air + card.width, bottom: air, left: panel.right + air }
    : { top: panel.bottom + air, right: air, bottom: air + Math.max(air, card.height), left: air };
}

/**
 * For tests: what is shown right now. Read-only, plain data, the same that the page shows anyway.
 * `workers` has the displayed position of each marker, [longitude, latitude] as of the last picture, by name.
 * @param {App} app
 */
function shownState(app) {
  /** @type {Record<string, {position: [number, number] | null, status: string}>} */
  const workers = {};
  for (const worker of app.roster.workers()) {
    workers[worker.worker] = { position: app.mapView.shownAt(worker), status: worker.status };
  }
  return {
    team: app.team,
    role: app.session?.role ?? null,
    online: app.roster.online,
    stale: app.roster.stale,
    total: app.roster.total,
    connection: app.connection.kind,
    baseMap: app.baseMap?.state ?? 'land',
    selected: app.selected?.worker ?? null,
    workers,
  };
}

fillTexts();
try {
  const app = new App();
  Object.defineProperty(window, 'muster', { value: Object.freeze({ state: () => shownState(app) }) });
  app.start();
} catch (error) {
  element('notice').textContent = texts.noWebGL;
  element('notice').hidden = false;
  console.warn(error);
}
