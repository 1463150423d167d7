// The map: camera, markers, and which marker a pointer means. It draws a picture only when one would differ from the
// last by half a pixel (motion.mjs), or when the camera moves.
import { AttributionControl, Map as GlMap, NavigationControl, ScaleControl } from './vendor/maplibre-gl.mjs';
import { landStyle } from './basemap.mjs';
import { Markers, markerRadius } from './markers.mjs';
import { latitudeToY, longitudeToX, xToLongitude, yToLatitude } from './mercator.mjs';
import { Motion, glideMs, pictureIntervalMs } from './motion.mjs';
import { palette } from './palette.mjs';
import { boundsOf } from './roster.mjs';
import { texts } from './texts.mjs';

/** @typedef {import('./roster.mjs').Worker} Worker */
/** @typedef {import('./roster.mjs').Roster} Roster */
/** @typedef {{top: number, right: number, bottom: number, left: number}} Padding */
/** A worker in view, in CSS pixels from the top left. @typedef {{worker: Worker, x: number, y: number}} Seen */

/** Below this speed a heading is noise. */
const TRAVEL_M_S = 0.5;
const FIT_MAX_ZOOM = 15;
const FOCUS_ZOOM = 15;
/** How far beyond the view's edge a marker can reach into it. */
const EDGE_PIXELS = 40;
/** A status change may wait this long for its picture. */
const PICTURE_MAX_MS = 250;

export class MapView {
  /** MapLibre's own map, for the base map. @type {GlMap} */
  map;
  #markers;
  #motion = new Motion();
  /** @type {Roster | null} */
  #roster = null;
  /** @type {Worker | null} */
  #selected = null;
  #isDark;
  #faded = false;
  #radius = 0;
  #frame = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #tooltip = document.createElement('div');
  #padding;
  #reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');

  /**
   * @param {HTMLElement} container
   * @param {object} options
   * @param {boolean} options.isDark
   * @param {() => Padding} options.padding what the page covers of the map, in pixels
   * @param {(worker: Worker | null) => void} options.onPick a click on a worker, or beside all
   */
  constructor(container, { isDark, padding, onPick }) {
    this.#isDark = isDark;
    this.#padding = padding;
    this.map = new GlMap({
      container,
      style: landStyle(isDark),
      center: [0, 25],
      zoom: 1.2,
      maxPitch: 0,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      renderWorldCopies: true,
      attributionControl: false,
      locale: { 'Map.Title': texts.map },
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new AttributionControl({ compact: true }), 'bottom-right');
    this.map.addControl(new NavigationControl({ showCompass: false }), 'bottom-right');
    this.map.addControl(new ScaleControl({ unit: 'metric' }), 'bottom-left');
    this.#markers = new Markers();
    this.map.getCanvasContainer().append(this.#markers.canvas);
    this.#tooltip.className = 'tooltip';
    this.#tooltip.setAttribute('aria-hidden', 'true');
    this.#tooltip.hidden = true;
    container.append(this.#tooltip);
    this.#listen(onPick);
  }

  /** @param {(worker: Worker | null) => void} onPick */
  #listen(onPick) {
    this.map.on('render', () => this.#draw());
    this.map.on('error', (event) => console.info('Map:', String(event.error ?? event)));
    this.map.on('click', (event) => onPick(this.#workerAt(event.point.x, event.point.y)));
    this.map.on('mousemove', (event) => this.#hover(event.point.x, event.point.y));
    this.map.on('mouseout', () => this.#hover(-1e6, -1e6));
    this.map.on('movestart', () => this.#hover(-1e6, -1e6));
  }

  /** Shows another team, or none; its positions come with apply(). @param {Roster | null} roster */
  setRoster(roster) {
    this.#roster = roster;
    this.#selected = null;
    this.#motion.clear();
    this.#schedule();
  }

  /** @param {import('./roster.mjs').Change[]} changes */
  apply(changes) {
    const now = performance.now();
    for (const { worker, previousUs } of changes) {
      const { slot, longitude, latitude } = worker;
      if (!worker.present || longitude === null || latitude === null) {
        this.#motion.hide(slot);
      } else if (worker.takenAtUs !== previousUs || previousUs === null) {
        const duration = this.#reducedMotion.matches ? 0 : glideMs(previousUs, worker.takenAtUs);
        this.#motion.place(slot, longitudeToX(longitude), latitudeToY(latitude), worker.heading, now, duration);
      }
    }
    if (this.#timer === undefined) this.#schedule();
  }

  /** Greys the markers, for when what they show may no longer be true. @param {boolean} faded */
  setFaded(faded) {
    if (faded === this.#faded) return;
    this.#faded = faded;
    this.#schedule();
  }

  /** @param {boolean} isDark */
  setDark(isDark) {
    this.#isDark = isDark;
    this.#schedule();
  }

  /** @param {Worker | null} worker */
  select(worker) {
    this.#selected = worker;
    this.#schedule();
  }

  /** Brings the whole team into view. @param {boolean} animate */
  fit(animate) {
    const bounds = boundsOf(this.#roster?.workers() ?? []);
    if (!bounds) return;
    const duration = animate && !this.#reducedMotion.matches ? 700 : 0;
    this.map.fitBounds(bounds, { padding: this.#padding(), maxZoom: FIT_MAX_ZOOM, duration });
  }

  /** Brings one worker into view. @param {Worker} worker */
  focus(worker) {
    const at = this.shownAt(worker);
    if (!at) return;
    const { left, right, top, bottom } = this.#padding();
    this.map.easeTo({
      center: at,
      zoom: Math.max(this.map.getZoom(), FOCUS_ZOOM),
      offset: [(left - right) / 2, (top - bottom) / 2],
      duration: this.#reducedMotion.matches ? 0 : 700,
    });
  }

  /** Where a worker's marker was in the last picture. @param {Worker} worker @returns {[number, number] | null} */
  shownAt(worker) {
    const x = this.#motion.x[worker.slot];
    return x === undefined || Number.isNaN(x) ? null : [xToLongitude(x), yToLatitude(this.#motion.y[worker.slot])];
  }

  #schedule() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #camera() {
    const { lng, lat } = this.map.getCenter();
    const { clientWidth: width, clientHeight: height } = this.map.getCanvas();
    return { x: longitudeToX(lng), y: latitudeToY(lat), worldSize: 512 * 2 ** this.map.getZoom(), width, height };
  }

  /**
   * Calls back for each worker in view, with its place in CSS pixels from the top left.
   * @param {number} margin pixels around the view that count as in view
   * @param {(worker: Worker, x: number, y: number) => void} visit
   */
  #visible(margin, visit) {
    const camera = this.#camera();
    const { x, y, size } = this.#motion;
    for (let slot = 0; slot < size; slot++) {
      if (Number.isNaN(x[slot])) continue;
      let dx = x[slot] - camera.x;
      dx -= Math.round(dx);
      const left = dx * camera.worldSize + camera.width / 2;
      const top = (y[slot] - camera.y) * camera.worldSize + camera.height / 2;
      if (left < -margin || left > camera.width + margin || top < -margin || top > camera.height + margin) continue;
      const worker = this.#roster?.at(slot);
      if (worker) visit(worker, left, top);
    }
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const speed = this.#motion.sample(performance.now());
    const { width, height, worldSize } = this.#camera();
    const { markers, fadedMarkers } = palette(this.#isDark);
    const seen = this.#inView();
    this.#radius = markerRadius(this.map.getZoom(), width * height, seen.length);
    this.#markers.begin(width, height, {
      radius: this.#radius,
      pixelRatio: Math.min(window.devicePixelRatio, 3),
      colours: this.#faded ? fadedMarkers : markers,
    });
    this.#drawMarkers(seen);
    const interval = Math.min(PICTURE_MAX_MS, pictureIntervalMs(speed, worldSize));
    if (speed > 0) this.#timer = setTimeout(() => this.#schedule(), Math.max(0, interval - 8));
  }

  /** @returns {Seen[]} */
  #inView() {
    /** @type {Seen[]} */
    const seen = [];
    this.#visible(EDGE_PIXELS, (worker, x, y) => seen.push({ worker, x, y }));
    return seen;
  }

  /** Who is online covers who is stale, and those who is offline; the selected one covers all. @param {Seen[]} seen */
  #drawMarkers(seen) {
    const { heading } = this.#motion;
    /** @type {Seen | undefined} */
    let selected;
    for (const status of ['offline', 'stale', 'online']) {
      for (const one of seen) {
        const { worker, x, y } = one;
        if (worker === this.#selected) selected = one;
        else if (worker.status === status) this.#markers.add(x, y, this.#kind(worker), heading[worker.slot]);
      }
    }
    if (!selected) return;
    const { worker, x, y } = selected;
    this.#markers.addSelected(x, y, this.#kind(worker), heading[worker.slot]);
  }

  /** @param {Worker} worker @returns {import('./markers.mjs').Kind} */
  #kind(worker) {
    if (worker.status !== 'online') return worker.status;
    const travels = !Number.isNaN(this.#motion.heading[worker.slot]) && (worker.speed ?? TRAVEL_M_S) >= TRAVEL_M_S;
    return travels ? 'travelling' : 'online';
  }

  /**
   * The nearest worker within reach of a finger or pointer.
   * @param {number} left @param {number} top @returns {Worker | null}
   */
  #workerAt(left, top) {
    const coarse = matchMedia('(pointer: coarse)').matches;
    let nearest = this.#radius + (coarse ? 14 : 6);
    /** @type {Worker | null} */
    let found = null;
    this.#visible(nearest, (worker, x, y) => {
      const distance = Math.hypot(x - left, y - top);
      if (distance < nearest) {
        nearest = distance;
        found = worker;
      }
    });
    return found;
  }

  /** @param {number} left @param {number} top */
  #hover(left, top) {
    const worker = this.map.isMoving() ? null : this.#workerAt(left, top);
    this.map.getCanvas().style.cursor = worker ? 'pointer' : '';
    this.#tooltip.hidden = worker === null;
    if (!worker) return;
    this.#tooltip.textContent = worker.worker;
    this.#tooltip.style.transform = `translate(${Math.round(left + 14)}px, ${Math.round(top + 14)}px)`;
  }
}
