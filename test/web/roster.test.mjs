import assert from 'node:assert/strict';
import test from 'node:test';
import { Roster, boundsOf, compareNames, findWorkers } from '../../gateway/web/roster.mjs';

const columns = [
  'worker',
  'taken_at_us',
  'longitude',
  'latitude',
  'speed_m_s',
  'heading_deg',
  'accuracy_m',
  'altitude_m',
  'battery_percent',
  'status',
  'tracker',
];
const van = (status = 'online', takenAt = 1_000_000, longitude = 8.5) => [
  'van-7', takenAt, longitude, 47.3, 4.16, 271.5, 3, 408, 87, status, 'tracker-1',
];
const bike = ['bike-3', null, null, null, null, null, null, null, null, 'online', 'tracker-2'];
const snapshot = (...rows) => ({ team: 'team-1', version: 1, time_us: 1, columns, rows });

test('a snapshot is the whole team, workers without a position included', () => {
  const roster = new Roster();
  const changes = roster.applySnapshot(snapshot(van(), bike));
  assert.equal(changes.length, 2);
  assert.deepEqual([roster.online, roster.total, roster.located], [2, 2, 1]);
  const worker = roster.get('van-7');
  assert.equal(worker.takenAtUs, 1_000_000);
  assert.equal(worker.speed, 4.16);
  assert.equal(worker.heading, 271.5);
  assert.equal(worker.battery, 87);
  assert.equal(worker.tracker, 'tracker-1');
  assert.equal(roster.get('bike-3').longitude, null);
});

test('a row of a delta replaces everything known of its worker and nobody else', () => {
  const roster = new Roster();
  roster.applySnapshot(snapshot(van(), bike));
  const [change] = roster.applyDelta({ version: 2, rows: [van('offline', 2_000_000, 8.6)] });
  assert.equal(change.previousUs, 1_000_000);
  assert.equal(change.worker.longitude, 8.6);
  assert.deepEqual([roster.online, roster.total], [1, 2]);
  const sparse = ['van-7', 3_000_000, 8.6, 47.3, null, null, null, null, null, 'online', null];
  roster.applyDelta({ version: 3, rows: [sparse] });
  assert.equal(roster.get('van-7').speed, null);
  assert.equal(roster.get('van-7').battery, null);
  assert.equal(roster.get('van-7').tracker, null);
});

test('who is connected but silent is counted as stale, not as online', () => {
  const roster = new Roster();
  roster.applySnapshot(snapshot(van('stale'), bike));
  assert.deepEqual([roster.online, roster.stale, roster.total], [1, 1, 2]);
  assert.equal(roster.get('van-7').status, 'stale');
  roster.applyDelta({ version: 2, rows: [van('online', 2_000_000)] });
  assert.deepEqual([roster.online, roster.stale, roster.total], [2, 0, 2]);
  roster.applyDelta({ version: 3, rows: [van('dancing', 3_000_000)] });
  assert.equal(roster.get('van-7').status, 'offline');
});

test('a worker first seen in a delta joins the team', () => {
  const roster = new Roster();
  roster.applySnapshot(snapshot(bike));
  const [change] = roster.applyDelta({ rows: [van()] });
  assert.equal(change.previousUs, null);
  assert.equal(roster.total, 2);
});

test('after a later snapshot, workers keep their slots and those not in it are gone', () => {
  const roster = new Roster();
  roster.applySnapshot(snapshot(bike, van()));
  const { slot } = roster.get('van-7');
  const changes = roster.applySnapshot(snapshot(van('online', 2_000_000)));
  assert.equal(roster.get('van-7').slot, slot);
  assert.equal(roster.get('bike-3'), undefined);
  assert.equal(changes.find(({ worker }) => worker.worker === 'bike-3').worker.present, false);
  assert.equal(changes.find(({ worker }) => worker.worker === 'van-7').previousUs, 1_000_000);
  assert.equal(roster.total, 1);
  roster.applySnapshot(snapshot(bike));
  assert.equal(roster.applyDelta({ rows: [van()] })[0].previousUs, null, 'who comes back has no fix to glide from');
});

test('columns are read by name: any order, unknown ones skipped, missing ones unknown', () => {
  const roster = new Roster();
  const other = ['status', 'colour', 'latitude', 'longitude', 'worker'];
  roster.applySnapshot({ columns: other, rows: [['online', 'red', 1, 2, 'a']] });
  const worker = roster.get('a');
  assert.deepEqual([worker.longitude, worker.latitude, worker.status, worker.battery], [2, 1, 'online', null]);
});

test('half a position is none', () => {
  const roster = new Roster();
  roster.applySnapshot({ columns: ['worker', 'longitude', 'latitude', 'status'], rows: [['a', 5, null, 'online']] });
  assert.equal(roster.get('a').longitude, null);
  assert.equal(roster.located, 0);
});

test('malformed events are refused', () => {
  const roster = new Roster();
  for (const bad of [null, {}, { columns }, { columns: ['status'], rows: [] }, { columns, rows: [[7]] }]) {
    assert.throws(() => roster.applySnapshot(bad));
  }
  for (const bad of [null, {}, { rows: 'x' }]) assert.throws(() => roster.applyDelta(bad));
});

test('names that belong to every object are only names', () => {
  const roster = new Roster();
  roster.applySnapshot({ columns: ['worker', 'status'], rows: [['__proto__', 'online'], ['constructor', 'offline']] });
  assert.deepEqual([roster.total, roster.online], [2, 1]);
});

test('bounds hold every position and skip workers without one', () => {
  const at = (longitude, latitude) => ({ longitude, latitude });
  assert.equal(boundsOf([at(null, null)]), null);
  assert.deepEqual(boundsOf([at(8, 47), at(null, null), at(9, 46)]), [[8, 46], [9, 47]]);
  assert.deepEqual(boundsOf([at(8, 47)]), [[8, 47], [8, 47]]);
});

test('bounds of a team on both sides of 180 degrees stay small', () => {
  const at = (longitude, latitude) => ({ longitude, latitude });
  assert.deepEqual(boundsOf([at(179, 1), at(-178, 2)]), [[179, 1], [182, 2]]);
});

test('finding puts names that begin with the text first, in natural order, and says how many more there are', () => {
  const workers = ['van-10', 'van-2', 'minivan-1', 'bike-1'].map((worker) => ({ worker }));
  const { found, more } = findWorkers(workers, ' VAN', 2);
  assert.deepEqual(found.map(({ worker }) => worker), ['van-2', 'van-10']);
  assert.equal(more, 1);
  assert.equal(findWorkers(workers, 'x', 5).found.length, 0);
  assert.equal(findWorkers(workers, '', 9).found.length, 4);
});

test('names sort as people count', () => {
  assert.deepEqual(['team-10', 'team-2'].sort(compareNames), ['team-2', 'team-10']);
});
