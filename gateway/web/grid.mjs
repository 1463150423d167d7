// Lines of longitude and latitude for the built-in base map, so that an empty stretch of land still shows how far and
// where one has moved. Pure.

const STEPS = [45, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];

/**
 * The finest round step whose lines are at least `minimum` pixels apart.
 * @param {number} worldSize pixels across 360° @param {number} minimum pixels @returns {number} degrees
 */
export function gridStep(worldSize, minimum) {
  const fitting = STEPS.filter((step) => (step / 360) * worldSize >= minimum);
  return fitting.length > 0 ? fitting[fitting.length - 1] : STEPS[0];
}

/** @param {number} value degrees @param {number} step @param {string} positive @param {string} negative */
function label(value, step, positive, negative) {
  const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? '0°' : `${text}° ${value < 0 ? negative : positive}`;
}

/**
 * @param {{west: number, south: number, east: number, north: number}} box what is in view
 * @param {number} step degrees
 * @returns {import('geojson').FeatureCollection} lines, each with its label
 */
export function gridLines(box, step) {
  const south = Math.max(-85, box.south);
  const north = Math.min(85, box.north);
  /** @type {import('geojson').Feature[]} */
  const features = [];
  /** @param {import('geojson').Position[]} coordinates @param {string} text */
  const add = (coordinates, text) =>
    features.push({ type: 'Feature', properties: { text }, geometry: { type: 'LineString', coordinates } });
  for (let i = Math.ceil(box.west / step); i * step <= box.east; i++) {
    const longitude = i * step;
    const wrapped = ((((longitude + 180) % 360) + 360) % 360) - 180;
    add([[longitude, south], [longitude, north]], label(wrapped, step, 'E', 'W'));
  }
  for (let i = Math.ceil(south / step); i * step <= north; i++) {
    add([[box.west, i * step], [box.east, i * step]], label(i * step, step, 'N', 'S'));
  }
  return { type: 'FeatureCollection', features };
}
