import assert from 'node:assert/strict';
import test from 'node:test';
import { backoffMs, FIRST_MS, LONGEST_MS } from '../../gateway/web/backoff.mjs';
import { LiveStream, OPENING_MS, SILENCE_MS } from '../../gateway/web/stream.mjs';

/** A clock that is moved by hand. */
class FakeClock {
  time = 1_000_000;
  timers = new Map();
  next = 1;
  now() {
    return this.time;
  }
  setTimeout(callback, ms) {
    this.timers.set(this.next, { at: this.time + ms, callback });
    return this.next++;
  }
  clearTimeout(timer) {
    this.timers.delete(timer);
  }
  advance(ms) {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.timers.delete(due[0]);
      this.time = due[1].at;
      due[1].callback();
    }
    this.time = end;
  }
}

class FakeSource {
  listeners = new Map();
  closed = false;
  addEventListener(type, listener) {
    this.listeners.set(type, listener);
  }
  close() {
    this.closed = true;
  }
  send(type, data) {
    this.listeners.get(type)({ data: typeof data === 'string' ? data : JSON.stringify(data) });
  }
}

/** A started stream whose diagnosis is `status`, and everything that it says. */
function start({ status = 200, onSnapshot = () => {} } = {}) {
  const clock = new FakeClock();
  const seen = { sources: [], connections: [], snapshots: [], deltas: [], refused: [], diagnoses: 0 };
  const stream = new LiveStream({
    open: () => {
      seen.sources.push(new FakeSource());
      return seen.sources.at(-1);
    },
    diagnose: async () => {
      seen.diagnoses++;
      return status;
    },
    clock,
    random: () => 1,
    onSnapshot: (data) => {
      onSnapshot(data);
      seen.snapshots.push(data);
    },
    onDelta: (data) => seen.deltas.push(data),
    onTime: () => {},
    onConnection: (connection) => seen.connections.push(connection),
    onRefused: (code) => seen.refused.push(code),
  });
  stream.start();
  const kinds = () => seen.connections.map(({ kind }) => kind);
  const source = () => seen.sources.at(-1);
  return { stream, clock, seen, kinds, source };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('the view is live from the snapshot on', () => {
  const { seen, kinds, source } = start();
  assert.deepEqual(kinds(), ['connecting']);
  source().send('snapshot', { rows: [] });
  source().send('delta', { rows: [1] });
  assert.deepEqual(kinds(), ['connecting', 'live', 'live']);
  assert.equal(seen.snapshots.length, 1);
  assert.deepEqual(seen.deltas, [{ rows: [1] }]);
});

test('heartbeats keep a quiet connection, silence ends it', () => {
  const { clock, seen, kinds, source } = start();
  source().send('snapshot', {});
  for (let i = 0; i < 5; i++) {
    clock.advance(SILENCE_MS - 1);
    source().send('heartbeat', { time_us: 1 });
  }
  assert.equal(seen.sources.length, 1);
  clock.advance(SILENCE_MS);
  assert.equal(seen.sources[0].closed, true);
  assert.equal(kinds().at(-1), 'waiting');
  clock.advance(FIRST_MS);
  assert.equal(seen.sources.length, 2);
});

test('a connection that never brings an event is given up', () => {
  const { clock, seen } = start();
  clock.advance(OPENING_MS);
  assert.equal(seen.sources[0].closed, true);
});

test('after errors the delay grows, and a snapshot makes it short again', () => {
  const { clock, seen, source } = start();
  const delays = [];
  for (let i = 0; i < 3; i++) {
    source().send('error', '');
    delays.push(seen.connections.at(-1).untilMs - clock.now());
    clock.advance(delays.at(-1));
  }
  assert.deepEqual(delays, [FIRST_MS, 2 * FIRST_MS, 4 * FIRST_MS]);
  source().send('snapshot', {});
  source().send('error', '');
  assert.equal(seen.connections.at(-1).untilMs - clock.now(), FIRST_MS);
});

test('a bye is followed for as long as it says', () => {
  const { clock, seen, kinds, source } = start();
  source().send('snapshot', {});
  source().send('bye', { reason: 'drain', retry_ms: 1250 });
  assert.equal(seen.sources[0].closed, true);
  assert.equal(kinds().at(-1), 'waiting');
  assert.equal(seen.connections.at(-1).untilMs - clock.now(), 1250);
  clock.advance(1249);
  assert.equal(seen.sources.length, 1);
  clock.advance(1);
  assert.equal(seen.sources.length, 2);
});

test('stale lasts until the next true state', () => {
  const { kinds, seen, source } = start();
  source().send('snapshot', {});
  source().send('stale', { since_us: 5_000_000 });
  assert.deepEqual(seen.connections.at(-1), { kind: 'stale', sinceMs: 5000 });
  source().send('heartbeat', {});
  assert.equal(kinds().at(-1), 'stale');
  source().send('delta', {});
  assert.equal(kinds().at(-1), 'live');
});

test('a view that may lack workers is stale until a whole snapshot comes', () => {
  const { kinds, source } = start();
  source().send('snapshot', {});
  source().send('stale', { since_us: 5_000_000, reason: 'postgres' });
  source().send('delta', {});
  assert.equal(kinds().at(-1), 'stale');
  source().send('stale', { since_us: 6_000_000, reason: 'nats' });
  source().send('delta', {});
  assert.equal(kinds().at(-1), 'stale');
  source().send('snapshot', {});
  assert.equal(kinds().at(-1), 'live');
  source().send('stale', { since_us: 7_000_000, reason: 'nats' });
  source().send('delta', {});
  assert.equal(kinds().at(-1), 'live');
});

test('malformed data ends the connection, and a new one is made', () => {
  const { clock, seen, kinds, source } = start();
  source().send('snapshot', {});
  source().send('delta', '{"rows":[[');
  assert.equal(seen.sources[0].closed, true);
  assert.equal(kinds().at(-1), 'waiting');
  clock.advance(FIRST_MS);
  assert.equal(seen.sources.length, 2);
});

test('a snapshot that cannot be used is not live', () => {
  const { kinds, source } = start({
    onSnapshot: () => {
      throw new Error('malformed');
    },
  });
  source().send('snapshot', {});
  assert.equal(kinds().includes('live'), false);
  assert.equal(kinds().at(-1), 'waiting');
});

for (const status of [401, 403, 404]) {
  test(`a stream refused with ${status} is not tried again`, async () => {
    const { clock, seen, kinds, source } = start({ status });
    source().send('error', '');
    await settled();
    assert.deepEqual(seen.refused, [status]);
    assert.equal(kinds().at(-1), 'ended');
    clock.advance(10 * LONGEST_MS);
    assert.equal(seen.sources.length, 1);
  });
}

for (const status of [null, 200, 503]) {
  test(`a stream that failed with ${status} is tried again`, async () => {
    const { clock, seen, source } = start({ status });
    source().send('error', '');
    await settled();
    assert.deepEqual(seen.refused, []);
    clock.advance(FIRST_MS);
    assert.equal(seen.sources.length, 2);
  });
}

test('a connection that worked before is not asked why it broke', async () => {
  const { seen, source } = start({ status: 401 });
  source().send('snapshot', {});
  source().send('error', '');
  await settled();
  assert.equal(seen.diagnoses, 0);
});

test('a stopped stream says and does nothing more', async () => {
  const { stream, clock, seen, source } = start({ status: 401 });
  source().send('error', '');
  stream.stop();
  const said = seen.connections.length;
  await settled();
  source().send('snapshot', {});
  clock.advance(10 * LONGEST_MS);
  assert.equal(seen.sources.length, 1);
  assert.equal(seen.connections.length, said);
  assert.deepEqual(seen.refused, []);
});

test('events of a connection that was given up are not taken', () => {
  const { clock, seen, source } = start();
  const old = source();
  old.send('snapshot', {});
  clock.advance(SILENCE_MS + FIRST_MS);
  old.send('delta', { rows: [] });
  old.send('error', '');
  assert.equal(seen.deltas.length, 0);
  assert.equal(seen.sources.length, 2);
});

test('hurrying ends the wait, but not a connection', () => {
  const { stream, seen, source } = start();
  stream.hurry();
  assert.equal(seen.sources.length, 1);
  source().send('error', '');
  stream.hurry();
  assert.equal(seen.sources.length, 2);
});

test('delays double up to a limit and are at least half of it', () => {
  assert.equal(backoffMs(0, 0), FIRST_MS / 2);
  assert.equal(backoffMs(0, 1), FIRST_MS);
  assert.equal(backoffMs(2, 1), 4 * FIRST_MS);
  assert.equal(backoffMs(1000, 1), LONGEST_MS);
  assert.equal(backoffMs(1000, 0), LONGEST_MS / 2);
});
