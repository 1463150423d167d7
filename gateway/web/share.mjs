// The dialog in which a manager makes links that show the team, or one worker of it, to whoever has them; and lists,
// copies and revokes those that there are.
import { listShares, makeShare, revokeShare } from './api.mjs';
import { formatMoment } from './format.mjs';
import { element } from './page.mjs';
import { texts } from './texts.mjs';

/** @typedef {import('./api.mjs').Share} Share */
/** @typedef {import('./api.mjs').ApiError} ApiError */

export class ShareDialog {
  #dialog = /** @type {HTMLDialogElement} */ (element('share-dialog'));
  #what = /** @type {HTMLSelectElement} */ (element('share-what'));
  #label = /** @type {HTMLInputElement} */ (element('share-label'));
  #lasts = /** @type {HTMLSelectElement} */ (element('share-lasts'));
  #make = /** @type {HTMLButtonElement} */ (element('share-make'));
  #list = element('share-list');
  #team = '';
  /** Grows whenever what is under way is of no interest any more. */
  #turn = 0;

  constructor() {
    for (const [seconds, text] of texts.shareLasts) this.#lasts.add(new Option(text, String(seconds)));
    this.#lasts.value = '86400';
    element('share-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#makeOne();
    });
    element('share-close').addEventListener('click', () => this.close());
  }

  /** @param {string} team @param {string | null} worker who is selected on the map */
  open(team, worker) {
    this.#team = team;
    this.#turn++;
    this.#what.replaceChildren(new Option(texts.shareTeam(team), ''));
    if (worker !== null) this.#what.add(new Option(texts.shareWorker(worker), worker));
    this.#what.value = worker ?? '';
    this.#label.value = '';
    this.#list.replaceChildren();
    this.#say(null);
    this.#dialog.showModal();
    this.#refresh();
  }

  close() {
    this.#turn++;
    this.#dialog.close();
  }

  /** @param {string | null} text */
  #say(text) {
    const line = element('share-error');
    line.hidden = text === null;
    line.textContent = text ?? '';
  }

  /** Does something, and then lists what there is now. @param {() => Promise<void>} action */
  async #act(action) {
    const turn = this.#turn;
    try {
      await action();
      if (turn === this.#turn) this.#say(null);
    } catch (error) {
      const { status, message } = /** @type {ApiError} */ (error);
      if (turn === this.#turn) this.#say(status > 0 ? message : texts.serverDown);
    }
  }

  async #makeOne() {
    this.#make.disabled = true;
    await this.#act(async () => {
      await makeShare(this.#team, {
        worker: this.#what.value,
        label: this.#label.value.trim(),
        expires_in_s: this.#lasts.value,
      });
      this.#label.value = '';
      await this.#load();
    });
    this.#make.disabled = false;
  }

  #refresh() {
    return this.#act(() => this.#load());
  }

  async #load() {
    const turn = this.#turn;
    const shares = await listShares(this.#team);
    if (turn !== this.#turn) return;
    this.#list.replaceChildren(...shares.map((share) => this.#row(share)));
    element('share-none').hidden = shares.length > 0;
  }

  /** @param {Share} share */
  #row(share) {
    const row = document.createElement('li');
    const title = document.createElement('strong');
    title.textContent = share.worker ?? texts.shareTeam(this.#team);
    const about = document.createElement('p');
    const until = texts.shareUntil(formatMoment(Date.parse(share.expires_at)), share.made_by);
    about.textContent = share.label ? `${share.label}: ${until}` : until;
    row.dataset.id = share.id;
    row.append(title, about);
    if (share.url) row.append(this.#linkOf(share.url));
    row.append(button(texts.revoke, () => this.#revoke(share)));
    return row;
  }

  /** @param {string} url */
  #linkOf(url) {
    const field = document.createElement('input');
    field.readOnly = true;
    field.value = new URL(url, location.href).href;
    field.setAttribute('aria-label', texts.shareAddress);
    const copy = button(texts.copy, async () => {
      field.select();
      await navigator.clipboard.writeText(field.value).catch(() => document.execCommand('copy'));
      copy.textContent = texts.copied;
    });
    const pair = document.createElement('div');
    pair.append(field, copy);
    return pair;
  }

  /** @param {Share} share */
  #revoke(share) {
    return this.#act(async () => {
      await revokeShare(this.#team, share.id);
      await this.#load();
    });
  }
}

/** @param {string} text @param {() => void} onClick */
function button(text, onClick) {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = text;
  made.addEventListener('click', onClick);
  return made;
}
