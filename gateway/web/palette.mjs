// Colours of what is drawn on the map; those of the page around it are in app.css.

/**
 * @typedef {object} MarkerColours
 * @property {string} online
 * @property {string} offline
 * @property {string} rim
 */

/**
 * @typedef {object} Palette
 * @property {string} water
 * @property {string} land
 * @property {string} coast
 * @property {string} grid
 * @property {string} gridText
 * @property {MarkerColours} markers
 * @property {MarkerColours} fadedMarkers  while what they show may no longer be true
 */

/** @type {Palette} */
const light = {
  water: '#cfdfea',
  land: '#f6f4ef',
  coast: '#a9bccb',
  grid: '#9fb0bd',
  gridText: '#586673',
  markers: { online: '#0b63ce', offline: '#5f6b78', rim: '#ffffff' },
  fadedMarkers: { online: '#9aa5b0', offline: '#b4bdc6', rim: '#f3f5f7' },
};

/** @type {Palette} */
const dark = {
  water: '#0e1721',
  land: '#1d2733',
  coast: '#3a4a5c',
  grid: '#5d7186',
  gridText: '#93a4b5',
  markers: { online: '#57b3ff', offline: '#a3b0bd', rim: '#0b1118' },
  fadedMarkers: { online: '#66788a', offline: '#566575', rim: '#151d27' },
};

/** @param {boolean} isDark @returns {Palette} */
export function palette(isDark) {
  return isDark ? dark : light;
}
