// What lies under the markers: the configured vector style, or the built-in land outline while that is loading and
// whenever it cannot be had. There is never a blank page, and always a word about which of the two it is.
import { gridLines, gridStep } from './grid.mjs';
import { palette } from './palette.mjs';
import { texts } from './texts.mjs';

/** @typedef {import('./vendor/maplibre-gl.mjs').Map} GlMap */
/** @typedef {import('./vendor/maplibre-gl.mjs').StyleSpecification} Style */
/** @typedef {'land' | 'loading' | 'style'} BaseMapState  loading shows the land outline too */

const FETCH_MS = 5000;
const FIRST_TILE_MS = 10000;
const GRID_PIXELS = 150;

/** @param {boolean} isDark @returns {Style} */
export function landStyle(isDark) {
  const colours = palette(isDark);
  const font = ['system-ui', 'Noto Sans', 'sans-serif'];
  return {
    version: 8,
    sources: {
      land: {
        type: 'geojson',
        data: new URL('land.json', import.meta.url).href,
        attribution: texts.landCredit,
        maxzoom: 10,
        tolerance: 0.2,
      },
      grid: { type: 'geojson', data: { type: 'FeatureCollection', features: [] }, tolerance: 0 },
    },
    layers: [
      { id: 'water', type: 'background', paint: { 'background-color': colours.water } },
      { id: 'land', type: 'fill', source: 'land', paint: { 'fill-color': colours.land } },
      { id: 'coast', type: 'line', source: 'land', paint: { 'line-color': colours.coast, 'line-width': 1 } },
      {
        id: 'grid',
        type: 'line',
        source: 'grid',
        paint: { 'line-color': colours.grid, 'line-width': 1, 'line-opacity': 0.32 },
      },
      {
        id: 'grid-text',
        type: 'symbol',
        source: 'grid',
        layout: {
          'symbol-placement': 'line',
          'symbol-spacing': 500,
          'text-field': ['get', 'text'],
          'text-font': font,
          'text-size': 11,
          'text-offset': [0, -0.7],
        },
        paint: { 'text-color': colours.gridText, 'text-halo-color': colours.land, 'text-halo-width': 1 },
      },
    ],
  };
}

export class BaseMap {
  /** @type {BaseMapState} */
  state = 'land';
  #map;
  #styleUrl;
  #isDark;
  #onChange;
  /** The configured style is in place, but has not shown yet that it works. */
  #onTrial = false;

  /**
   * @param {GlMap} map showing landStyle(isDark) already
   * @param {{styleUrl: string, isDark: boolean, onChange: (state: BaseMapState) => void}} options styleUrl '' is none
   */
  constructor(map, { styleUrl, isDark, onChange }) {
    this.#map = map;
    this.#styleUrl = styleUrl;
    this.#isDark = isDark;
    this.#onChange = onChange;
    map.on('moveend', () => this.#drawGrid());
    map.on('style.load', () => {
      map.setProjection({ type: 'mercator' });
      this.#drawGrid();
    });
    this.#drawGrid();
    onChange(this.state);
  }

  /** Tries to put the configured style in place; call it again when the network is back. */
  async load() {
    if (this.#styleUrl === '' || this.state !== 'land') return;
    this.#enter('loading');
    try {
      const style = await fetchStyle(this.#styleUrl);
      this.#watchFirstTile();
      this.#map.setStyle(style, { diff: false });
    } catch (error) {
      console.info('The base map style cannot be loaded:', String(error));
      this.#enter('land');
    }
  }

  /** @param {boolean} isDark */
  setDark(isDark) {
    this.#isDark = isDark;
    if (this.state !== 'style' && !this.#onTrial) this.#showLand();
  }

  #showLand() {
    this.#map.setStyle(landStyle(this.#isDark), { diff: false });
  }

  /** @param {BaseMapState} state */
  #enter(state) {
    this.state = state;
    this.#onChange(state);
  }

  /** A style whose tiles do not come is as good as none. */
  #watchFirstTile() {
    const map = this.#map;
    /** @param {boolean} works */
    const settle = (works) => {
      clearTimeout(timer);
      map.off('sourcedata', onData);
      map.off('error', onError);
      this.#onTrial = false;
      this.#enter(works ? 'style' : 'land');
      if (!works) this.#showLand();
    };
    const timer = setTimeout(() => settle(false), FIRST_TILE_MS);
    const onData = (/** @type {any} */ event) => {
      if (event.tile && event.sourceId !== 'land' && event.sourceId !== 'grid') settle(true);
    };
    const onError = (/** @type {any} */ event) => {
      if (event.sourceId || event.tile || event.error?.name === 'ValidationError') settle(false);
    };
    this.#onTrial = true;
    map.on('sourcedata', onData);
    map.on('error', onError);
  }

  #drawGrid() {
    const source = this.#map.getSource('grid');
    if (!source) return;
    const bounds = this.#map.getBounds();
    const marginX = bounds.getEast() - bounds.getWest();
    const marginY = bounds.getNorth() - bounds.getSouth();
    const box = {
      west: bounds.getWest() - marginX,
      east: bounds.getEast() + marginX,
      south: bounds.getSouth() - marginY,
      north: bounds.getNorth() + marginY,
    };
    const worldSize = 512 * 2 ** this.#map.getZoom();
    /** @type {import('./vendor/maplibre-gl.mjs').GeoJSONSource} */ (source).setData(
      gridLines(box, gridStep(worldSize, GRID_PIXELS))
    );
  }
}

/** @param {string} url @returns {Promise<Style>} */
async function fetchStyle(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS) });
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  const style = await response.json();
  if (style?.version !== 8 || !Array.isArray(style.layers)) throw new Error('not a map style');
  return style;
}
