// Finding a worker by name, without a mouse: a combobox as the ARIA practices describe it.
import { element } from './page.mjs';
import { findWorkers } from './roster.mjs';
import { texts } from './texts.mjs';

/** @typedef {import('./roster.mjs').Worker} Worker */

/** So many fit above a phone's keyboard; typing on finds the rest. */
const LIMIT = 8;

export class Finder {
  #input = /** @type {HTMLInputElement} */ (element('find'));
  #list = element('found');
  /** @type {Worker[]} */
  #found = [];
  #active = -1;
  #workers;
  #onChoose;

  /** @param {{workers: () => Worker[], onChoose: (worker: Worker) => void}} options */
  constructor({ workers, onChoose }) {
    this.#workers = workers;
    this.#onChoose = onChoose;
    this.#input.addEventListener('input', () => this.#search());
    this.#input.addEventListener('keydown', (event) => this.#key(event));
    this.#input.addEventListener('click', () => this.#search());
    this.#input.addEventListener('blur', () => this.close());
    // Before the blur that a click would cause, which would close the list under the pointer.
    this.#list.addEventListener('pointerdown', (event) => event.preventDefault());
    this.#list.addEventListener('click', (event) => {
      const option = /** @type {HTMLElement} */ (event.target).closest('li[data-index]');
      if (option) this.#choose(Number(/** @type {HTMLElement} */ (option).dataset.index));
    });
  }

  close() {
    this.#list.hidden = true;
    this.#active = -1;
    this.#input.setAttribute('aria-expanded', 'false');
    this.#input.removeAttribute('aria-activedescendant');
  }

  #search() {
    const { found, more } = findWorkers(this.#workers(), this.#input.value, LIMIT);
    this.#found = found;
    const rows = found.map((worker, i) => option(worker, i));
    if (found.length === 0) rows.push(restRow(texts.findNone));
    if (more > 0) rows.push(restRow(texts.findMore(more)));
    this.#list.replaceChildren(...rows);
    this.#list.hidden = false;
    this.#input.setAttribute('aria-expanded', 'true');
    this.#activate(this.#input.value !== '' && this.#found.length > 0 ? 0 : -1);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (this.#list.hidden) return this.#search();
      const count = this.#found.length;
      const step = event.key === 'ArrowDown' ? 1 : -1;
      if (count > 0) this.#activate((this.#active + step + count + (this.#active < 0 && step < 0 ? 1 : 0)) % count);
    } else if (event.key === 'Enter' && !this.#list.hidden) {
      event.preventDefault();
      if (this.#active >= 0) this.#choose(this.#active);
    } else if (event.key === 'Escape' && !this.#list.hidden) {
      event.preventDefault();
      this.close();
    }
  }

  /** @param {number} index -1 for none */
  #activate(index) {
    this.#list.querySelector('[aria-selected="true"]')?.setAttribute('aria-selected', 'false');
    this.#active = index;
    if (index < 0) return this.#input.removeAttribute('aria-activedescendant');
    const option = this.#list.children[index];
    option.setAttribute('aria-selected', 'true');
    this.#input.setAttribute('aria-activedescendant', option.id);
  }

  /** @param {number} index */
  #choose(index) {
    const worker = this.#found[index];
    this.#input.value = '';
    this.close();
    this.#onChoose(worker);
  }
}

/** @param {Worker} worker @param {number} index */
function option(worker, index) {
  const row = document.createElement('li');
  row.id = `found-${index}`;
  row.setAttribute('role', 'option');
  row.dataset.index = String(index);
  row.setAttribute('aria-selected', 'false');
  const status = document.createElement('span');
  status.className = 'status';
  status.dataset.status = worker.status;
  status.textContent = texts.status[worker.status];
  row.append(worker.worker, status);
  return row;
}

/** @param {string} text */
function restRow(text) {
  const row = document.createElement('li');
  row.className = 'rest';
  row.setAttribute('role', 'presentation');
  row.textContent = text;
  return row;
}
