// Draws the workers on a canvas of their own above the map's: then the base map is painted again only when the camera
// moves, while markers move all the time, and a change of the base map's style cannot touch them. Each kind of marker
// is drawn once, in every direction, and copied from there: ten thousand copies take a fraction of a picture's time,
// with and without a graphics card, and no image file is needed.
//
// online: a filled disc, drawn out to a point in the direction of travel; stale: a ring; offline: a hollow diamond.

/** @typedef {import('./palette.mjs').MarkerColours} MarkerColours */
/** @typedef {'offline' | 'stale' | 'online' | 'travelling'} Kind */

/**
 * @typedef {object} Look  everything that a marker's picture depends on
 * @property {number} radius  CSS pixels
 * @property {number} pixelRatio
 * @property {MarkerColours} colours
 */

/** So many directions are drawn ahead: a step of 7.5° is not seen at this size. */
const DIRECTIONS = 48;
const ONLINE = DIRECTIONS;
const STALE = DIRECTIONS + 1;
const OFFLINE = DIRECTIONS + 2;
/** @type {Record<'online' | 'stale' | 'offline', number>} */
const STANDING = { online: ONLINE, stale: STALE, offline: OFFLINE };
/** @type {Kind[]} */
const KINDS = ['online', 'stale', 'offline'];
const SPRITES = DIRECTIONS + 3;
/** From the middle of a marker to its tip, in radii. */
const TIP = 1.85;
const SELECTED_SCALE = 1.3;

export class Markers {
  canvas = document.createElement('canvas');
  #context;
  #sprites = document.createElement('canvas');
  #spritePixels = 0;
  /** @type {Look | null} */
  #look = null;
  #dirty = false;

  constructor() {
    this.canvas.className = 'markers';
    const context = this.canvas.getContext('2d');
    if (!context) throw new Error('no canvas');
    this.#context = context;
  }

  /**
   * Begins a picture.
   * @param {number} width @param {number} height CSS pixels
   * @param {Look} look
   */
  begin(width, height, look) {
    const pixelWidth = Math.round(width * look.pixelRatio);
    const pixelHeight = Math.round(height * look.pixelRatio);
    if (this.canvas.width !== pixelWidth || this.canvas.height !== pixelHeight) {
      this.canvas.width = pixelWidth;
      this.canvas.height = pixelHeight;
    } else if (this.#dirty) {
      this.#context.clearRect(0, 0, pixelWidth, pixelHeight);
    }
    this.#dirty = false;
    if (sameLook(this.#look, look)) return;
    this.#look = look;
    this.#drawSprites(look);
  }

  /**
   * Draws one marker above those drawn before.
   * @param {number} x @param {number} y CSS pixels from the top left
   * @param {Kind} kind @param {number} heading degrees; of no meaning unless travelling
   */
  add(x, y, kind, heading) {
    const look = /** @type {Look} */ (this.#look);
    const direction = Math.round((heading / 360) * DIRECTIONS) % DIRECTIONS;
    const sprite = kind === 'travelling' ? direction : STANDING[kind];
    const size = this.#spritePixels;
    // At whole pixels a copy is a copy: sharp, and several times faster than one that must be resampled.
    const left = Math.round(x * look.pixelRatio - size / 2);
    const top = Math.round(y * look.pixelRatio - size / 2);
    this.#context.drawImage(this.#sprites, sprite * size, 0, size, size, left, top, size, size);
    this.#dirty = true;
  }

  /**
   * Draws the one that is selected: larger, in a ring.
   * @param {number} x @param {number} y @param {Kind} kind @param {number} heading as for add()
   */
  addSelected(x, y, kind, heading) {
    const look = /** @type {Look} */ (this.#look);
    const context = this.#context;
    const radius = Math.max(look.radius, 5) * SELECTED_SCALE;
    context.save();
    context.scale(look.pixelRatio, look.pixelRatio);
    context.translate(x, y);
    context.beginPath();
    context.arc(0, 0, radius * 2.4, 0, 2 * Math.PI);
    context.strokeStyle = look.colours.rim;
    context.lineWidth = 6;
    context.stroke();
    context.strokeStyle = look.colours.online;
    context.lineWidth = 3;
    context.stroke();
    drawMarker(context, radius, kind, heading, look.colours);
    context.restore();
    this.#dirty = true;
  }

  /** @param {Look} look */
  #drawSprites(look) {
    const half = Math.ceil((look.radius * TIP + 4) * look.pixelRatio);
    this.#spritePixels = 2 * half;
    this.#sprites.width = this.#spritePixels * SPRITES;
    this.#sprites.height = this.#spritePixels;
    const context = /** @type {CanvasRenderingContext2D} */ (this.#sprites.getContext('2d'));
    for (let i = 0; i < SPRITES; i++) {
      const kind = i < DIRECTIONS ? 'travelling' : KINDS[i - DIRECTIONS];
      context.setTransform(look.pixelRatio, 0, 0, look.pixelRatio, this.#spritePixels * i + half, half);
      drawMarker(context, look.radius, kind, (i * 360) / DIRECTIONS, look.colours);
    }
  }
}

/** @param {Look | null} a @param {Look} b */
function sameLook(a, b) {
  return a !== null && a.radius === b.radius && a.pixelRatio === b.pixelRatio && a.colours === b.colours;
}

/**
 * Draws a marker at the origin: a soft shade, a rim that parts it from its neighbours, its shape.
 * @param {CanvasRenderingContext2D} context @param {number} radius
 * @param {Kind} kind @param {number} heading degrees @param {MarkerColours} colours
 */
function drawMarker(context, radius, kind, heading, colours) {
  const rim = Math.min(1.6, 0.35 * radius);
  const line = Math.max(1.8, 0.36 * radius);
  const outline = new Path2D();
  if (kind === 'travelling') traceDrop(outline, radius);
  else if (kind !== 'offline') outline.arc(0, 0, radius, 0, 2 * Math.PI);
  else traceDiamond(outline, 1.25 * radius);
  context.save();
  if (kind === 'travelling') context.rotate((heading * Math.PI) / 180);
  context.lineJoin = 'round';
  context.strokeStyle = 'rgb(0 0 0 / 22%)';
  context.lineWidth = 2 * rim + 1.6;
  context.stroke(outline);
  context.strokeStyle = context.fillStyle = colours.rim;
  context.lineWidth = 2 * rim;
  context.stroke(outline);
  if (kind === 'offline' || kind === 'stale') {
    context.fill(outline);
    const inner = new Path2D();
    if (kind === 'stale') inner.arc(0, 0, radius - line / 2, 0, 2 * Math.PI);
    else traceDiamond(inner, 1.25 * radius - line * Math.SQRT1_2);
    context.strokeStyle = kind === 'stale' ? colours.online : colours.offline;
    context.lineJoin = 'miter';
    context.lineWidth = line;
    context.stroke(inner);
  } else {
    context.fillStyle = colours.online;
    context.fill(outline);
  }
  context.restore();
}

/** A disc drawn out to a tip at the top, by the two tangents from there. @param {Path2D} path @param {number} radius */
function traceDrop(path, radius) {
  const angle = Math.asin(1 / TIP);
  path.moveTo(0, -TIP * radius);
  path.arc(0, 0, radius, -angle, Math.PI + angle);
  path.closePath();
}

/** @param {Path2D} path @param {number} reach from the middle to a corner */
function traceDiamond(path, reach) {
  path.moveTo(0, -reach);
  path.lineTo(reach, 0);
  path.lineTo(0, reach);
  path.lineTo(-reach, 0);
  path.closePath();
}

/**
 * A marker's radius: large in the street, small from afar, and smaller still where many share the view.
 * @param {number} zoom @param {number} area of the view, in CSS pixels @param {number} visible markers in it
 * @returns {number} CSS pixels, in steps of a half, so that sprites are not drawn again for every picture of a zoom
 */
export function markerRadius(zoom, area, visible) {
  const near = 4.5 + 4 * Math.max(0, Math.min(1, (zoom - 8) / 7));
  const spacing = Math.sqrt(area / Math.max(1, visible));
  return Math.round(2 * Math.min(near, Math.max(3, spacing * 0.17))) / 2;
}
