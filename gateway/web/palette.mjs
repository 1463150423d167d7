// Colours of what is drawn on the map; those of the page around it are in app.css.

/**
 * @typedef {object} MarkerColours  red, green, blue from 0 to 1
 * @property {[number, number, number]} online
 * @property {[number, number, number]} offline
 * @property {[number, number, number]} rim
 */

/**
 * @typedef {object} Palette
 * @property {string} water
 * @property {string} land
 * @property {string} coast
 * @property {string} grid
 * @property {string} gridText
 * @property {MarkerColours} markers
 */

/** @param {number} hex 0xrrggbb @returns {[number, number, number]} */
function rgb(hex) {
  return [(hex >> 16) / 255, ((hex >> 8) & 255) / 255, (hex & 255) / 255];
}

/** @type {Palette} */
const light = {
  water: '#cfdfea',
  land: '#f6f4ef',
  coast: '#a9bccb',
  grid: '#9fb0bd',
  gridText: '#586673',
  markers: { online: rgb(0x0b63ce), offline: rgb(0x5f6b78), rim: rgb(0xffffff) },
};

/** @type {Palette} */
const dark = {
  water: '#0e1721',
  land: '#1d2733',
  coast: '#3a4a5c',
  grid: '#5d7186',
  gridText: '#93a4b5',
  markers: { online: rgb(0x57b3ff), offline: rgb(0xa3b0bd), rim: rgb(0x0b1118) },
};

/** @param {boolean} isDark @returns {Palette} */
export function palette(isDark) {
  return isDark ? dark : light;
}
