// Values as people read them. Pure; null is "unknown" throughout. The words are in texts.mjs.
import { texts } from './texts.mjs';

/** @param {number | null} metresPerSecond */
export function formatSpeed(metresPerSecond) {
  if (metresPerSecond === null) return texts.unknown;
  const kmh = metresPerSecond * 3.6;
  return texts.kmh(kmh < 10 ? kmh.toFixed(1) : kmh.toFixed(0));
}

/** @param {number | null} degrees */
export function formatHeading(degrees) {
  if (degrees === null) return texts.unknown;
  const point = texts.compass[Math.round(degrees / 45) % 8];
  return texts.degrees(Math.round(degrees) % 360, point);
}

/** @param {number | null} percent */
export function formatBattery(percent) {
  return percent === null ? texts.unknown : texts.percent(percent.toFixed(0));
}

/** @param {number | null} metres */
export function formatAccuracy(metres) {
  if (metres === null) return texts.unknown;
  return texts.within(texts.metres(metres < 10 ? metres.toFixed(1) : metres.toFixed(0)));
}

/**
 * Latitude first, as people and other maps write it.
 * @param {number | null} latitude @param {number | null} longitude
 */
export function formatCoordinates(latitude, longitude) {
  if (latitude === null || longitude === null) return texts.noPosition;
  return `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;
}

/** @param {number} milliseconds a negative one, from clocks that disagree, reads as 0 */
export function formatAge(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return texts.seconds(seconds);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return texts.minutes(minutes, seconds % 60);
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return texts.hours(hours, minutes % 60);
  return texts.days(Math.floor(hours / 24), hours % 24);
}

const moments = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });

/** Local date and time, to the minute. @param {number} milliseconds since 1970 */
export function formatMoment(milliseconds) {
  return moments.format(milliseconds);
}

/** Local time of day. @param {number} milliseconds since 1970 */
export function formatTime(milliseconds) {
  const time = new Date(milliseconds);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => `${part}`.padStart(2, '0')).join(':');
}
