// The small pure modules: values as text, links, projection, grid, marker size.
import assert from 'node:assert/strict';
import test from 'node:test';
import * as format from '../../gateway/web/format.mjs';
import { gridLines, gridStep } from '../../gateway/web/grid.mjs';
import { formatFragment, parseFragment } from '../../gateway/web/link.mjs';
import { latitudeToY, longitudeToX, xToLongitude, yToLatitude } from '../../gateway/web/mercator.mjs';

test('speeds, headings, accuracies and batteries read as people say them', () => {
  assert.equal(format.formatSpeed(4.16), '15 km/h');
  assert.equal(format.formatSpeed(1.3), '4.7 km/h');
  assert.equal(format.formatHeading(271.5), '272° W');
  assert.equal(format.formatHeading(359.9), '0° N');
  assert.equal(format.formatHeading(22.4), '22° N');
  assert.equal(format.formatHeading(22.6), '23° NE');
  assert.equal(format.formatAccuracy(3), 'within 3.0 m');
  assert.equal(format.formatAccuracy(120), 'within 120 m');
  assert.equal(format.formatBattery(87), '87 %');
});

test('what is not known reads as unknown, never as zero', () => {
  for (const name of ['formatSpeed', 'formatHeading', 'formatAccuracy', 'formatBattery']) {
    assert.equal(format[name](null), '–');
    assert.notEqual(format[name](0), '–');
  }
  assert.equal(format.formatCoordinates(null, null), 'No position yet');
});

test('coordinates have the latitude first', () => {
  assert.equal(format.formatCoordinates(47.3768812, 8.5417231), '47.37688, 8.54172');
});

test('an age reads in the two largest units', () => {
  assert.equal(format.formatAge(-500), '0 s');
  assert.equal(format.formatAge(59_999), '59 s');
  assert.equal(format.formatAge(60_000), '1 min 0 s');
  assert.equal(format.formatAge(3_599_000), '59 min 59 s');
  assert.equal(format.formatAge(2 * 3_600_000 + 61_000), '2 h 1 min');
  assert.equal(format.formatAge(50 * 3_600_000), '2 d 2 h');
});

test('a time of day has two digits for each part', () => {
  assert.equal(format.formatTime(new Date(2026, 0, 2, 3, 4, 5).getTime()), '03:04:05');
});

test('a link names a team, a token, both or neither', () => {
  const none = { team: null, token: null, share: null, shared: false };
  assert.deepEqual(parseFragment('#team=team-1'), { ...none, team: 'team-1' });
  assert.deepEqual(parseFragment('#token=a.b-c_d.e&team=team-1'), { ...none, team: 'team-1', token: 'a.b-c_d.e' });
  assert.deepEqual(parseFragment('#share=a.b-c_d.e'), { ...none, share: 'a.b-c_d.e' });
  assert.deepEqual(parseFragment('#shared=1&team=team-1'), { ...none, team: 'team-1', shared: true });
  assert.deepEqual(parseFragment(''), none);
  assert.deepEqual(parseFragment('#team='), none);
});

test('a link that was written is read back', () => {
  for (const team of ['team-1', 'A_b', 'ä &=#']) assert.equal(parseFragment(formatFragment({ team })).team, team);
  assert.equal(formatFragment({ team: null }), '');
  assert.equal(formatFragment({ team: null, shared: true }), '#shared=1');
  assert.deepEqual(parseFragment(formatFragment({ team: 'a', shared: true })).shared, true);
});

test('the projection and its inverse agree to a millimetre', () => {
  for (const [longitude, latitude] of [[8.5417231, 47.3768812], [-179.9999999, -85], [0, 0], [180, 85.05]]) {
    assert.ok(Math.abs(xToLongitude(longitudeToX(longitude)) - longitude) < 1e-9);
    assert.ok(Math.abs(yToLatitude(latitudeToY(latitude)) - latitude) < 1e-9);
  }
  assert.equal(latitudeToY(0), 0.5);
  assert.ok(Math.abs(latitudeToY(90)) < 1e-9);
});

test('grid lines are round numbers, as close as their minimum allows', () => {
  const worldSize = 512 * 2 ** 12;
  assert.equal(gridStep(worldSize, 150), 0.05);
  assert.ok((0.05 / 360) * worldSize >= 150 && (0.02 / 360) * worldSize < 150);
  assert.equal(gridStep(1, 150), 45);
});

test('the grid covers the box, with labels that name the half of the world', () => {
  const { features } = gridLines({ west: -1.5, south: -1.5, east: 1.5, north: 1.5 }, 1);
  const labels = features.map(({ properties }) => properties.text);
  assert.deepEqual(labels, ['1° W', '0°', '1° E', '1° S', '0°', '1° N']);
});

test('the grid goes on beyond 180 degrees with the labels of the other side', () => {
  const { features } = gridLines({ west: 179.5, south: 0.1, east: 181.5, north: 0.2 }, 1);
  assert.deepEqual(features.map(({ properties }) => properties.text), ['180° W', '179° W']);
});
