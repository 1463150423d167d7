// The page's elements and their fixed words.
import { texts } from './texts.mjs';

/** @param {string} id @returns {HTMLElement} */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element #${id}`);
  return found;
}

/** Puts the words of texts.mjs where index.html names them. */
export function fillTexts() {
  /** @param {string | undefined} key */
  const word = (key) => String(texts[/** @type {keyof typeof texts} */ (key)]);
  for (const target of document.querySelectorAll('[data-text]')) {
    target.textContent = word(/** @type {HTMLElement} */ (target).dataset.text);
  }
  for (const target of document.querySelectorAll('[data-label]')) {
    const label = word(/** @type {HTMLElement} */ (target).dataset.label);
    target.setAttribute('aria-label', label);
    if (target instanceof HTMLInputElement) target.placeholder = label;
    if (target instanceof HTMLButtonElement) target.title = label;
  }
}
