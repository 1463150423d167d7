// Writes Natural Earth's land as GeoJSON, the base map that needs no server: land.mjs OUT.json
// Runs at build time. Coordinates are rounded to 3 decimals, finer than the data's own 1:50 million.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { feature } from 'topojson-client';

const require = createRequire(import.meta.url);
const atlas = JSON.parse(readFileSync(require.resolve('world-atlas/land-50m.json'), 'utf8'));

/**
 * The data joins rings across 180°; on a flat map they must run on beyond it instead of leaping to the other side. A
 * ring that ends a whole turn from where it began goes round the South Pole, and is closed along the map's lower edge.
 */
function unwrapRing(ring) {
  let turns = 0;
  const unwrapped = ring.map(([longitude, latitude], i) => {
    const step = i === 0 ? 0 : longitude - ring[i - 1][0];
    if (step > 180) turns--;
    if (step < -180) turns++;
    return [longitude + 360 * turns, latitude];
  });
  const [first, last] = [unwrapped[0], unwrapped[unwrapped.length - 1]];
  return turns === 0 ? unwrapped : [...unwrapped, [last[0], -90], [first[0], -90], first];
}

/** Drops points that rounding has made equal to the one before. */
function roundRing(ring) {
  const rounded = ring.map(([longitude, latitude]) => [Number(longitude.toFixed(3)), Number(latitude.toFixed(3))]);
  return rounded.filter((point, i) => i === 0 || point[0] !== rounded[i - 1][0] || point[1] !== rounded[i - 1][1]);
}

const polygons = feature(atlas, atlas.objects.land).features.flatMap(({ geometry }) =>
  geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates
);
const coordinates = polygons.map((polygon) => polygon.map(unwrapRing).map(roundRing).filter((ring) => ring.length >= 4));
const land = { type: 'Feature', properties: {}, geometry: { type: 'MultiPolygon', coordinates } };
writeFileSync(process.argv[2], JSON.stringify(land));
