// Where every marker is shown at a given moment: between two fixes it glides along the straight line, and it rests on
// the last fix; it never runs ahead of what was reported. Slots are small integers given by the roster; positions are
// world units (mercator.mjs). Pure: time comes in as milliseconds of any steady clock.

/** A marker glides no longer than this, so that it is never far behind the truth. */
export const GLIDE_MAX_MS = 5000;
/** Fixes further apart than this are no movement that anyone saw: the marker jumps. */
export const GAP_MS = 30000;
const TURN_MS = 300;

/**
 * How long a marker glides from one fix to the next: the interval observed between them.
 * @param {number | null} previousUs taken_at of the fix shown so far
 * @param {number | null} nextUs taken_at of the new one
 * @returns {number} milliseconds; 0 means jump
 */
export function glideMs(previousUs, nextUs) {
  if (previousUs === null || nextUs === null) return 0;
  const interval = (nextUs - previousUs) / 1000;
  return interval <= 0 || interval > GAP_MS ? 0 : Math.min(interval, GLIDE_MAX_MS);
}

/**
 * Part of the way from one heading to another, on the shorter arc.
 * @param {number} from degrees @param {number} to degrees @param {number} part 0 to 1 @returns {number} degrees
 */
export function turn(from, to, part) {
  const arc = ((((to - from) % 360) + 540) % 360) - 180;
  return (from + arc * part + 360) % 360;
}

export class Motion {
  constructor() {
    this.size = 0;
    this.#allocate(256);
    this.#movingUntil = 0;
  }

  /** Positions as of the last sample(); NaN where a slot shows nothing. @type {Float64Array} */
  x = new Float64Array(0);
  /** @type {Float64Array} */
  y = new Float64Array(0);
  /** Degrees; NaN when unknown. @type {Float32Array} */
  heading = new Float32Array(0);

  #fromX = new Float64Array(0);
  #fromY = new Float64Array(0);
  #toX = new Float64Array(0);
  #toY = new Float64Array(0);
  #start = new Float64Array(0);
  #duration = new Float64Array(0);
  #fromHeading = new Float32Array(0);
  #toHeading = new Float32Array(0);
  #movingUntil = 0;

  /** @param {number} capacity */
  #allocate(capacity) {
    /** @template {Float32Array | Float64Array} T @param {T} old @param {T} fresh @returns {T} */
    const grow = (old, fresh) => {
      fresh.fill(NaN);
      fresh.set(old);
      return fresh;
    };
    this.x = grow(this.x, new Float64Array(capacity));
    this.y = grow(this.y, new Float64Array(capacity));
    this.heading = grow(this.heading, new Float32Array(capacity));
    this.#fromX = grow(this.#fromX, new Float64Array(capacity));
    this.#fromY = grow(this.#fromY, new Float64Array(capacity));
    this.#toX = grow(this.#toX, new Float64Array(capacity));
    this.#toY = grow(this.#toY, new Float64Array(capacity));
    this.#start = grow(this.#start, new Float64Array(capacity));
    this.#duration = grow(this.#duration, new Float64Array(capacity));
    this.#fromHeading = grow(this.#fromHeading, new Float32Array(capacity));
    this.#toHeading = grow(this.#toHeading, new Float32Array(capacity));
  }

  /** Forgets every slot. */
  clear() {
    this.x.fill(NaN, 0, this.size);
    this.y.fill(NaN, 0, this.size);
    this.heading.fill(NaN, 0, this.size);
    this.#toX.fill(NaN, 0, this.size);
    this.#toHeading.fill(NaN, 0, this.size);
    this.size = 0;
    this.#movingUntil = 0;
  }

  /** Shows nothing in this slot. @param {number} slot */
  hide(slot) {
    this.#reserve(slot);
    this.#toX[slot] = this.x[slot] = this.y[slot] = NaN;
    this.#toHeading[slot] = this.heading[slot] = NaN;
  }

  /**
   * Sends a marker to its new fix, from wherever it is shown at that moment.
   * @param {number} slot
   * @param {number} x @param {number} y world units
   * @param {number | null} heading degrees
   * @param {number} now @param {number} durationMs 0 jumps
   */
  place(slot, x, y, heading, now, durationMs) {
    this.#reserve(slot);
    this.#sampleSlot(slot, now);
    const known = !Number.isNaN(this.#toX[slot]);
    const moves = known && durationMs > 0 && (this.x[slot] !== x || this.y[slot] !== y);
    this.#fromX[slot] = moves ? this.x[slot] : x;
    this.#fromY[slot] = moves ? this.y[slot] : y;
    this.#toX[slot] = x;
    this.#toY[slot] = y;
    this.#toHeading[slot] = heading ?? NaN;
    this.#fromHeading[slot] = moves && !Number.isNaN(this.heading[slot]) ? this.heading[slot] : this.#toHeading[slot];
    this.#start[slot] = now;
    this.#duration[slot] = moves ? durationMs : 0;
    if (moves) this.#movingUntil = Math.max(this.#movingUntil, now + durationMs);
    this.#sampleSlot(slot, now);
  }

  /**
   * Computes every slot's shown position.
   * @param {number} now
   * @returns {number} the fastest marker's speed in world units per millisecond; 0 when all rest
   */
  sample(now) {
    if (this.#movingUntil === 0) return 0;
    let fastest = 0;
    for (let slot = 0; slot < this.size; slot++) fastest = Math.max(fastest, this.#sampleSlot(slot, now));
    if (now >= this.#movingUntil) this.#movingUntil = 0;
    return fastest;
  }

  /** @param {number} slot @param {number} now @returns {number} its speed */
  #sampleSlot(slot, now) {
    const toX = this.#toX[slot];
    if (Number.isNaN(toX)) return 0;
    const elapsed = now - this.#start[slot];
    const duration = this.#duration[slot];
    if (elapsed >= duration) {
      this.x[slot] = toX;
      this.y[slot] = this.#toY[slot];
      this.heading[slot] = this.#toHeading[slot];
      return 0;
    }
    const part = Math.max(0, elapsed / duration);
    const dx = toX - this.#fromX[slot];
    const dy = this.#toY[slot] - this.#fromY[slot];
    this.x[slot] = this.#fromX[slot] + dx * part;
    this.y[slot] = this.#fromY[slot] + dy * part;
    const turned = Math.min(1, Math.max(0, elapsed) / Math.min(TURN_MS, duration));
    this.heading[slot] = turn(this.#fromHeading[slot], this.#toHeading[slot], turned);
    return Math.max(Math.abs(dx), Math.abs(dy)) / duration;
  }

  /** @param {number} slot */
  #reserve(slot) {
    if (slot >= this.x.length) this.#allocate(Math.max(slot + 1, this.x.length * 2));
    if (slot >= this.size) this.size = slot + 1;
  }
}

/**
 * How long until the next picture is worth drawing: when the fastest marker has moved half a pixel. A city seen from
 * afar needs two pictures a second, a street thirty, so a map that is open all day costs little.
 * @param {number} speed world units per millisecond @param {number} worldSize pixels across the whole world
 * @returns {number} milliseconds
 */
export function pictureIntervalMs(speed, worldSize) {
  if (speed <= 0) return Infinity;
  return Math.min(500, Math.max(0, 0.5 / (speed * worldSize)));
}
