// Web Mercator in world units: x and y run from 0 to 1, x eastwards from 180° W, y southwards from 85.05° N.

const MAX_LATITUDE = 85.0511287798066;

/** @param {number} longitude degrees @returns {number} world x */
export function longitudeToX(longitude) {
  return longitude / 360 + 0.5;
}

/** @param {number} latitude degrees; clamped to what the projection can show @returns {number} world y */
export function latitudeToY(latitude) {
  const clamped = Math.max(-MAX_LATITUDE, Math.min(MAX_LATITUDE, latitude));
  const sine = Math.sin((clamped * Math.PI) / 180);
  return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
}

/** @param {number} x world x @returns {number} longitude in degrees */
export function xToLongitude(x) {
  return (x - 0.5) * 360;
}

/** @param {number} y world y @returns {number} latitude in degrees */
export function yToLatitude(y) {
  return (360 / Math.PI) * Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) - 90;
}
