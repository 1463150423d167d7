// Everything the page says, in English. Another language is another file like this one.

const numbers = new Intl.NumberFormat('en');

/** @param {number} value @returns {string} with marks between the thousands */
function n(value) {
  return numbers.format(value);
}

export const texts = {
  product: 'Muster',
  title: (/** @type {string} */ team) => `${team} · Muster`,
  map: 'Map of the team',
  team: 'Team',
  onlineNumber: (/** @type {number} */ online) => n(online),
  onlineRest: (/** @type {number} */ total, /** @type {number} */ stale) =>
    stale > 0 ? `of ${n(total)} online, ${n(stale)} stale` : `of ${n(total)} online`,
  unlocated: (/** @type {number} */ count) =>
    count === 1 ? '1 worker has not sent a position yet' : `${n(count)} workers have not sent a position yet`,
  teamOption: (/** @type {string} */ team, /** @type {number} */ online, /** @type {number} */ workers) =>
    `${team} (${n(online)} of ${n(workers)})`,
  showAll: 'Show all',
  signOut: 'Sign out',

  find: 'Find a worker',
  findNone: 'No worker of that name',
  findMore: (/** @type {number} */ count) => `and ${n(count)} more; type to narrow down`,

  live: 'Live',
  connecting: 'Connecting…',
  reconnecting: 'Reconnecting…',
  reconnectingIn: (/** @type {number} */ seconds) => `Reconnecting in ${seconds} s`,
  staleSince: (/** @type {string} */ time) => `Stale since ${time}`,
  ended: 'Not connected',
  asOf: (/** @type {string} */ time) => `Positions as of ${time}`,
  announceLive: 'Live',
  announceLost: 'Connection lost, reconnecting',
  announceStale: 'Positions may be out of date',

  noTeams: 'There is no team to show yet. It appears here as soon as its first worker connects.',
  noWorkers: 'No worker of this team has been seen yet.',
  unknownTeam: (/** @type {string} */ team) => `No team “${team}” is known.`,
  forbiddenTeam: (/** @type {string} */ team) => `You are not allowed to see team “${team}”.`,
  serverDown: 'The server cannot be reached. Trying again…',
  noWebGL: 'This browser cannot draw the map: WebGL 2 is missing or switched off.',

  offlineMap: 'Offline base map: land outline',
  landCredit: 'Land: Natural Earth',

  signInTitle: 'Sign in to see your team',
  signInHelp: 'Open the link you were given, or paste its token here.',
  token: 'Token',
  signIn: 'Sign in',
  signingIn: 'Signing in…',
  tokenRefused: (/** @type {string} */ reason) => `This token was not accepted: ${reason}`,
  sessionEnded: 'Your session has ended. Sign in again to go on.',
  signedOut: 'You have signed out.',

  share: 'Share…',
  shareTitle: 'Share a link',
  shareHelp:
    'Whoever has the link sees on a map where everybody in it is and was, without signing in, until it expires or you revoke it.',
  shareWhat: 'What it shows',
  shareTeam: (/** @type {string} */ team) => `All of ${team}`,
  shareWorker: (/** @type {string} */ worker) => `Only ${worker}`,
  shareLabel: 'For whom (only managers see it)',
  shareFor: 'How long',
  shareLasts: /** @type {[number, string][]} */ ([
    [3600, '1 hour'],
    [28800, '8 hours'],
    [86400, '1 day'],
    [604800, '7 days'],
    [2592000, '30 days'],
  ]),
  shareMake: 'Make a link',
  shareListTitle: 'Links of this team',
  shareNone: 'There are none.',
  shareUntil: (/** @type {string} */ until, /** @type {string} */ by) => `until ${until}, made by ${by}`,
  shareAddress: 'Address of the link',
  copy: 'Copy',
  copied: 'Copied',
  revoke: 'Revoke',
  shared: (/** @type {string} */ what, /** @type {string} */ until) => `${what}, shared with you until ${until}`,
  closeShared: 'Stop watching',
  shareEnded: 'This link shows nothing any more: it has expired, or it was revoked.',
  shareRefused: (/** @type {string} */ reason) => `This link does not work: ${reason}`,
  shareClosed: 'You have stopped watching. The link that you were given still works, until it expires.',

  close: 'Close',
  center: 'Show on map',
  status: { online: 'Online', stale: 'Stale', offline: 'Offline' },
  speed: 'Speed',
  heading: 'Heading',
  battery: 'Battery',
  accuracy: 'Accuracy',
  age: 'Last fix',
  ago: (/** @type {string} */ age) => `${age} ago`,
  tracker: 'Tracker',
  coordinates: 'Coordinates',
  noPosition: 'No position yet',
  unknown: '–',

  kmh: (/** @type {string} */ value) => `${value} km/h`,
  metres: (/** @type {string} */ value) => `${value} m`,
  within: (/** @type {string} */ distance) => `within ${distance}`,
  percent: (/** @type {string} */ value) => `${value} %`,
  degrees: (/** @type {number} */ value, /** @type {string} */ point) => `${value}° ${point}`,
  compass: ['N', 'NE', 'E', 'SE', 'S', 'SW', 'W', 'NW'],
  seconds: (/** @type {number} */ s) => `${s} s`,
  minutes: (/** @type {number} */ m, /** @type {number} */ s) => `${m} min ${s} s`,
  hours: (/** @type {number} */ h, /** @type {number} */ m) => `${h} h ${m} min`,
  days: (/** @type {number} */ d, /** @type {number} */ h) => `${d} d ${h} h`,
};
