// The card of the selected worker.
import { formatAccuracy, formatAge, formatBattery, formatCoordinates, formatHeading, formatSpeed } from './format.mjs';
import { element } from './page.mjs';
import { texts } from './texts.mjs';

/** @typedef {import('./roster.mjs').Worker} Worker */

export class Card {
  #card = element('card');
  /** @type {Map<string, HTMLElement>} */
  #facts = new Map();
  /** @type {Worker | null} */
  #worker = null;

  /** @param {{onClose: () => void, onCenter: (worker: Worker) => void}} options */
  constructor({ onClose, onCenter }) {
    element('card-close').addEventListener('click', onClose);
    element('card-center').addEventListener('click', () => this.#worker && onCenter(this.#worker));
    addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#worker && !event.defaultPrevented) onClose();
    });
  }

  /** @param {Worker | null} worker null closes @param {number} serverMs the server's clock now */
  show(worker, serverMs) {
    this.#worker = worker;
    this.#card.hidden = worker === null;
    this.update(serverMs);
  }

  /** Moves the keyboard to the card. */
  focus() {
    this.#card.focus();
  }

  /** After a change of the worker, and once a second for its age. @param {number} serverMs */
  update(serverMs) {
    const worker = this.#worker;
    if (!worker) return;
    element('card-name').textContent = worker.worker;
    const status = element('card-status');
    status.textContent = texts.status[worker.status];
    status.dataset.status = worker.status;
    const age = worker.takenAtUs === null ? texts.noPosition : texts.ago(formatAge(serverMs - worker.takenAtUs / 1000));
    this.#fact(texts.age, age);
    this.#fact(texts.speed, formatSpeed(worker.speed));
    this.#fact(texts.heading, formatHeading(worker.heading));
    this.#fact(texts.battery, formatBattery(worker.battery));
    this.#fact(texts.accuracy, formatAccuracy(worker.accuracy));
    this.#fact(texts.tracker, worker.tracker ?? texts.unknown);
    this.#fact(texts.coordinates, formatCoordinates(worker.latitude, worker.longitude));
  }

  /** @param {string} name @param {string} value */
  #fact(name, value) {
    let cell = this.#facts.get(name);
    if (!cell) {
      const row = document.createElement('div');
      const title = document.createElement('dt');
      cell = document.createElement('dd');
      title.textContent = name;
      row.append(title, cell);
      element('card-facts').append(row);
      this.#facts.set(name, cell);
    }
    if (cell.textContent !== value) cell.textContent = value;
  }
}
