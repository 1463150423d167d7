// How long to wait before connecting again: growing, so that a dead server is left alone, and random, so that viewers
// who all lost the same gateway do not come back in the same instant.

export const FIRST_MS = 1000;
export const LONGEST_MS = 20000;

/**
 * @param {number} attempt 0 for the first one after a working connection
 * @param {number} random 0 to 1
 * @returns {number} milliseconds: half to all of a doubling limit
 */
export function backoffMs(attempt, random) {
  const limit = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.round(limit / 2 + (limit / 2) * random);
}
