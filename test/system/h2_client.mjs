// A client of HTTP/2 for test_edge.py: several live views in one connection, by SSE and by WebSocket (RFC 8441), and a
// request beside them. Prints what it saw as one line of JSON.
//
//   node h2_client.mjs URL CA_FILE TEAM STREAMS < token
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';

const [, , url, caFile, team, streams] = process.argv;
const token = readFileSync(0, 'utf8').trim();
const session = http2.connect(url, { ca: readFileSync(caFile) });
const headers = { authorization: `Bearer ${token}` };
const give_up = setTimeout(() => fail(new Error('timed out')), 20000);

/** @param {Error} error */
function fail(error) {
  console.error(error);
  process.exit(1);
}

/** Opens an SSE view; resolves once `wanted` is in what came, and stays open. */
function open_sse(wanted) {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': `/api/v1/teams/${team}/stream`, ...headers });
    let text = '', status = 0;
    const look = () => { if (status && text.includes(wanted)) resolve({ status, id: stream.id }); };
    stream.on('response', (answer) => {  // told of later than data that came with it
      status = Number(answer[':status']);
      look();
    });
    stream.on('error', reject);
    stream.on('end', () => reject(new Error(`the stream ended with ${status}: ${text}`)));
    stream.setEncoding('utf8');
    stream.on('data', (more) => {
      text += more;
      look();
    });
  });
}

/** A frame of a client, masked; payload below 126 bytes. */
function frame(opcode, payload) {
  const mask = randomBytes(4);
  const body = Buffer.from(payload).map((byte, i) => byte ^ mask[i % 4]);
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | body.length]), mask, body]);
}

/** Opens a WebSocket inside of the connection, waits for the snapshot, and for a pong to a ping. */
function open_socket() {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': `/api/v1/teams/${team}/socket`,
      'sec-websocket-version': '13', 'sec-websocket-protocol': 'muster.v1.json', origin: url, ...headers });
    let bytes = Buffer.alloc(0), answer;
    const seen = { status: 0, protocol: '', snapshot: false, pong: false };
    stream.on('response', (head) => {
      seen.status = Number(head[':status']);
      seen.protocol = String(head['sec-websocket-protocol']);
      if (seen.status !== 200) reject(new Error(`WebSocket refused with ${seen.status}`));
      stream.write(frame(9, 'are you there'));
    });
    stream.on('error', reject);
    stream.on('end', () => reject(new Error('the WebSocket ended')));
    stream.on('data', (more) => {
      bytes = Buffer.concat([bytes, more]);
      seen.snapshot ||= bytes.includes('"event":"snapshot"');
      seen.pong ||= bytes.includes(Buffer.from([0x8a, 13, ...Buffer.from('are you there')]));
      if (seen.status && seen.snapshot && seen.pong) resolve(seen);
    });
  });
}

function get(path) {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path, ...headers });
    let status = 0;
    stream.on('response', (answer) => { status = Number(answer[':status']); });
    stream.on('error', reject);
    stream.on('end', () => resolve(status));
    stream.resume();
  });
}

session.on('error', fail);
session.on('connect', async () => {
  try {
    const views = await Promise.all(Array.from({ length: Number(streams) }, () => open_sse('event: snapshot')));
    const started = Date.now();
    const status = await get('/api/v1/teams');  // while all of them are open
    const took_ms = Date.now() - started;
    await new Promise((resolve) => session.settings({}, resolve));
    const socket = session.remoteSettings.enableConnectProtocol ? await open_socket() : null;
    console.log(JSON.stringify({ alpn: session.alpnProtocol, views, status, took_ms, socket }));
    clearTimeout(give_up);
    session.destroy();
  } catch (error) {
    fail(/** @type {Error} */ (error));
  }
});
