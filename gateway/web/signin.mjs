// The sign-in form, shown instead of the map while there is no session.
import { ApiError, openSession } from './api.mjs';
import { element } from './page.mjs';
import { texts } from './texts.mjs';

export class SignIn {
  #token = /** @type {HTMLInputElement} */ (element('token'));
  #submit = /** @type {HTMLButtonElement} */ (element('sign-in-submit'));
  #onSignedIn;

  /** @param {{onSignedIn: () => void}} options */
  constructor({ onSignedIn }) {
    this.#onSignedIn = onSignedIn;
    element('sign-in-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.exchange(this.#token.value.trim());
    });
  }

  /** @param {string | null} message why, if there is more to say than "sign in" */
  show(message) {
    element('sign-in').hidden = false;
    element('page').inert = true;
    const error = element('sign-in-error');
    error.hidden = message === null;
    error.textContent = message ?? '';
    this.#token.focus();
  }

  hide() {
    element('sign-in').hidden = true;
    element('page').inert = false;
    this.#token.value = '';
  }

  /** Turns a token into a session; what is wrong with it is shown in the form. @param {string} token */
  async exchange(token) {
    this.#submit.disabled = true;
    this.#submit.textContent = texts.signingIn;
    try {
      await openSession(token);
      this.hide();
      this.#onSignedIn();
    } catch (error) {
      const refused = error instanceof ApiError && error.status > 0;
      this.show(refused ? texts.tokenRefused(error.message) : texts.serverDown);
    } finally {
      this.#submit.disabled = false;
      this.#submit.textContent = texts.signIn;
    }
  }
}
