// A team's state as the stream tells it: the last row of every worker. Pure. Each worker has a slot, a small integer
// that stays its own for as long as the team is shown; motion.mjs and markers.mjs keep their arrays by it.

/** @typedef {'online' | 'stale' | 'offline'} Status  stale: connected, but silent for a while */

/**
 * @typedef {object} Worker
 * @property {string} worker
 * @property {number} slot
 * @property {boolean} present  in the team as of the last snapshot
 * @property {Status} status
 * @property {number | null} takenAtUs
 * @property {number | null} longitude
 * @property {number | null} latitude
 * @property {number | null} speed  m/s
 * @property {number | null} heading  degrees, clockwise from north
 * @property {number | null} accuracy  m
 * @property {number | null} altitude  m
 * @property {number | null} battery  percent
 * @property {string | null} tracker
 */

/**
 * @typedef {object} Change
 * @property {Worker} worker  as it is now
 * @property {number | null} previousUs  taken_at of the fix before, null without one
 */

/** Columns of the stream and where they go. A column that we do not know is skipped; one that is missing is unknown. */
const NUMBERS = /** @type {const} */ ({
  takenAtUs: 'taken_at_us',
  longitude: 'longitude',
  latitude: 'latitude',
  speed: 'speed_m_s',
  heading: 'heading_deg',
  accuracy: 'accuracy_m',
  altitude: 'altitude_m',
  battery: 'battery_percent',
});

export class Roster {
  /** @type {Map<string, Worker>} */
  #workers = new Map();
  /** @type {Worker[]} */
  #bySlot = [];
  /** @type {Map<string, number>} */
  #columns = new Map();
  online = 0;
  stale = 0;
  total = 0;
  located = 0;

  /** Every worker of the team, in the order of their slots. @returns {Worker[]} */
  workers() {
    return this.#bySlot.filter((worker) => worker.present);
  }

  /** @param {string} name @returns {Worker | undefined} */
  get(name) {
    const worker = this.#workers.get(name);
    return worker?.present ? worker : undefined;
  }

  /** @param {number} slot @returns {Worker | undefined} */
  at(slot) {
    return this.#bySlot[slot];
  }

  /**
   * Takes the whole team; who is not in it is gone.
   * @param {any} snapshot the event's data @returns {Change[]}
   */
  applySnapshot(snapshot) {
    if (!Array.isArray(snapshot?.columns) || !Array.isArray(snapshot.rows)) throw new Error('malformed snapshot');
    /** @type {string[]} */
    const columns = snapshot.columns;
    if (!columns.includes('worker')) throw new Error('snapshot without a worker column');
    this.#columns = new Map(columns.map((name, index) => [name, index]));
    for (const worker of this.#bySlot) worker.present = false;
    const changes = this.#applyRows(snapshot.rows);
    for (const worker of this.#bySlot) {
      if (worker.present) continue;
      worker.takenAtUs = null;
      changes.push({ worker, previousUs: null });
    }
    return changes;
  }

  /** @param {any} delta the event's data @returns {Change[]} */
  applyDelta(delta) {
    if (!Array.isArray(delta?.rows)) throw new Error('malformed delta');
    return this.#applyRows(delta.rows);
  }

  /** @param {unknown[][]} rows @returns {Change[]} */
  #applyRows(rows) {
    const changes = rows.map((row) => this.#applyRow(row));
    this.online = this.stale = this.total = this.located = 0;
    for (const worker of this.#bySlot) {
      if (!worker.present) continue;
      this.total++;
      if (worker.status === 'online') this.online++;
      if (worker.status === 'stale') this.stale++;
      if (worker.longitude !== null) this.located++;
    }
    return changes;
  }

  /** @param {unknown[]} row @returns {Change} */
  #applyRow(row) {
    const name = this.#cell(row, 'worker');
    if (typeof name !== 'string') throw new Error('row without a worker');
    const worker = this.#workers.get(name) ?? this.#add(name);
    const previousUs = worker.takenAtUs;
    for (const [field, column] of Object.entries(NUMBERS)) {
      const value = this.#cell(row, column);
      worker[/** @type {keyof typeof NUMBERS} */ (field)] = typeof value === 'number' ? value : null;
    }
    if (worker.longitude === null || worker.latitude === null) worker.longitude = worker.latitude = null;
    const tracker = this.#cell(row, 'tracker');
    worker.tracker = typeof tracker === 'string' ? tracker : null;
    const status = this.#cell(row, 'status');
    worker.status = status === 'online' || status === 'stale' ? status : 'offline';
    worker.present = true;
    return { worker, previousUs };
  }

  /** @param {unknown[]} row @param {string} column @returns {unknown} */
  #cell(row, column) {
    const index = this.#columns.get(column);
    return index === undefined ? null : row[index];
  }

  /** @param {string} name @returns {Worker} */
  #add(name) {
    /** @type {Worker} */
    const worker = {
      worker: name,
      slot: this.#bySlot.length,
      present: false,
      status: 'offline',
      takenAtUs: null,
      longitude: null,
      latitude: null,
      speed: null,
      heading: null,
      accuracy: null,
      altitude: null,
      battery: null,
      tracker: null,
    };
    this.#workers.set(name, worker);
    this.#bySlot.push(worker);
    return worker;
  }
}

/**
 * The smallest box around positions. It takes the shorter way round the world, so a team on both sides of 180° stays
 * close.
 * @param {Iterable<{longitude: number | null, latitude: number | null}>} positions
 * @returns {[[number, number], [number, number]] | null} south-west and north-east; null without any position
 */
export function boundsOf(positions) {
  let south = Infinity;
  let north = -Infinity;
  /** @type {number[]} */
  const longitudes = [];
  for (const { longitude, latitude } of positions) {
    if (longitude === null || latitude === null) continue;
    longitudes.push(longitude);
    south = Math.min(south, latitude);
    north = Math.max(north, latitude);
  }
  if (longitudes.length === 0) return null;
  longitudes.sort((a, b) => a - b);
  let west = longitudes[0];
  let widestGap = west + 360 - longitudes[longitudes.length - 1];
  for (let i = 1; i < longitudes.length; i++) {
    const gap = longitudes[i] - longitudes[i - 1];
    if (gap > widestGap) {
      widestGap = gap;
      west = longitudes[i];
    }
  }
  return [
    [west, south],
    [west + 360 - widestGap, north],
  ];
}

/**
 * Workers whose name contains the text, best first: those that begin with it, then by name.
 * @param {Worker[]} workers @param {string} text @param {number} limit
 * @returns {{found: Worker[], more: number}} `more` says how many are beyond the limit
 */
export function findWorkers(workers, text, limit) {
  const wanted = text.trim().toLowerCase();
  const matches = workers
    .map((worker) => ({ worker, at: worker.worker.toLowerCase().indexOf(wanted) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => Number(a.at > 0) - Number(b.at > 0) || compareNames(a.worker.worker, b.worker.worker));
  const found = matches.slice(0, limit).map(({ worker }) => worker);
  return { found, more: matches.length - found.length };
}

const collator = new Intl.Collator('en', { numeric: true });

/** Names in the order that people expect: team-2 before team-10. @param {string} a @param {string} b */
export function compareNames(a, b) {
  return collator.compare(a, b);
}
