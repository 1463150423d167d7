import assert from 'node:assert/strict';
import test from 'node:test';
import { GAP_MS, GLIDE_MAX_MS, Motion, glideMs, pictureIntervalMs, turn } from '../../gateway/web/motion.mjs';

test('a marker glides for as long as its fixes were apart', () => {
  assert.equal(glideMs(1_000_000, 2_000_000), 1000);
  assert.equal(glideMs(1_000_000, 1_200_000), 200);
});

test('a long interval is glided in a bounded time, a gap is jumped', () => {
  assert.equal(glideMs(0, 10_000_000), GLIDE_MAX_MS);
  assert.equal(glideMs(0, GAP_MS * 1000), GLIDE_MAX_MS);
  assert.equal(glideMs(0, GAP_MS * 1000 + 1000), 0);
});

test('without a fix before, or with one that is not older, there is nothing to glide from', () => {
  assert.equal(glideMs(null, 5_000_000), 0);
  assert.equal(glideMs(5_000_000, null), 0);
  assert.equal(glideMs(5_000_000, 5_000_000), 0);
  assert.equal(glideMs(5_000_000, 4_000_000), 0);
});

test('the first fix shows at once', () => {
  const motion = new Motion();
  motion.place(0, 0.5, 0.25, 90, 1000, 800);
  assert.equal(motion.x[0], 0.5);
  assert.equal(motion.y[0], 0.25);
  assert.equal(motion.heading[0], 90);
  assert.equal(motion.sample(1000), 0);
});

test('between two fixes the marker is on the line, then rests on the last and never goes beyond', () => {
  const motion = new Motion();
  motion.place(0, 0, 0, null, 0, 0);
  motion.place(0, 1, 2, null, 1000, 1000);
  assert.ok(motion.sample(1250) > 0);
  assert.equal(motion.x[0], 0.25);
  assert.equal(motion.y[0], 0.5);
  assert.equal(motion.sample(2000), 0);
  assert.equal(motion.x[0], 1);
  motion.sample(60_000);
  assert.deepEqual([motion.x[0], motion.y[0]], [1, 2]);
});

test('a fix that comes during a glide turns the marker from where it is, without a jump', () => {
  const motion = new Motion();
  motion.place(0, 0, 0, null, 0, 0);
  motion.place(0, 1, 0, null, 0, 1000);
  motion.place(0, 0, 1, null, 500, 1000);
  assert.deepEqual([motion.x[0], motion.y[0]], [0.5, 0]);
  motion.sample(1000);
  assert.deepEqual([motion.x[0], motion.y[0]], [0.25, 0.5]);
});

test('an interrupted glide is taken up from the time of the fix, not of the last picture', () => {
  const motion = new Motion();
  motion.place(0, 0, 0, null, 0, 0);
  motion.place(0, 1, 0, null, 0, 1000);
  motion.sample(100);
  motion.place(0, 1, 0, null, 400, 0);
  assert.equal(motion.x[0], 1);
});

test('a hidden marker has no position and comes back without a glide', () => {
  const motion = new Motion();
  motion.place(0, 0.1, 0.1, 10, 0, 0);
  motion.hide(0);
  motion.sample(10);
  assert.ok(Number.isNaN(motion.x[0]));
  motion.place(0, 0.9, 0.9, 10, 20, 1000);
  assert.equal(motion.x[0], 0.9);
});

test('slots far apart grow the arrays and keep what is there', () => {
  const motion = new Motion();
  motion.place(0, 0.1, 0.2, 30, 0, 0);
  motion.place(9_999, 0.3, 0.4, 60, 0, 0);
  assert.equal(motion.size, 10_000);
  assert.deepEqual([motion.x[0], motion.y[0], motion.x[9_999]], [0.1, 0.2, 0.3]);
  assert.ok(Number.isNaN(motion.x[5_000]));
});

test('clearing forgets every slot, also for a marker placed afterwards', () => {
  const motion = new Motion();
  motion.place(3, 0.1, 0.2, 30, 0, 0);
  motion.clear();
  assert.equal(motion.size, 0);
  motion.place(3, 0.9, 0.9, null, 10, 1000);
  assert.equal(motion.x[3], 0.9);
});

test('a heading turns along the shorter arc', () => {
  assert.equal(turn(350, 10, 0.5), 0);
  assert.equal(turn(10, 350, 0.5), 0);
  assert.equal(turn(0, 90, 1), 90);
  const motion = new Motion();
  motion.place(0, 0, 0, 350, 0, 0);
  motion.place(0, 1, 0, 10, 0, 1000);
  motion.sample(150);
  assert.equal(motion.heading[0], 0);
  motion.sample(300);
  assert.equal(motion.heading[0], 10);
});

test('pictures come as often as the fastest marker moves half a pixel', () => {
  const tenPixelsPerSecond = 10 / 1000 / 4096;
  assert.equal(pictureIntervalMs(tenPixelsPerSecond, 4096), 50);
  assert.equal(pictureIntervalMs(0, 4096), Infinity);
  assert.equal(pictureIntervalMs(tenPixelsPerSecond / 1000, 4096), 500);
});
