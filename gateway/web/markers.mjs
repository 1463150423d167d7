// Draws the workers, in one WebGL call, on a canvas of its own above the map's. Of its own, because then the base map
// is painted again only when the camera moves, while markers move all the time, and because a change of the base map's
// style cannot touch them. Shapes are computed in the fragment shader: sharp at every pixel density, no image files.
//
// online: a filled disc, drawn out to a point in the direction of travel; offline: a hollow diamond.

/** Floats per marker: x, y (pixels from the top left), heading (radians), kind. */
const STRIDE = 4;
/** A marker's kind as the shader knows it. */
export const KIND = { offline: 0, online: 1, travelling: 2, selected: 4 };
/** Half the square that a marker is drawn in, in multiples of its radius: point, rim, ring of a selection. */
const REACH = 2.8;

const VERTEX = `#version 300 es
layout(location = 0) in vec2 corner;
layout(location = 1) in vec2 position;
layout(location = 2) in float heading;
layout(location = 3) in float kind;
uniform vec2 viewport;
uniform float radius;
out vec2 at;
flat out int shape;
void main() {
  shape = int(kind);
  float size = radius * ((shape & 4) != 0 ? 1.3 : 1.0);
  vec2 pixel = position + corner * size * ${REACH.toFixed(1)};
  gl_Position = vec4(pixel / viewport * vec2(2.0, -2.0) + vec2(-1.0, 1.0), 0.0, 1.0);
  float c = cos(heading), s = sin(heading);
  at = mat2(c, -s, s, c) * corner * ${REACH.toFixed(1)};
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec2 at;
flat in int shape;
uniform float radius;
uniform float pixelRatio;
uniform float faded;
uniform vec3 online, offline, rim;
out vec4 colour;

const float TIP = 1.85;

// Distance to a disc of radius 1 drawn out to a point at (0, -TIP), by the two tangents from there.
float drop(vec2 p) {
  p.x = abs(p.x);
  float sine = 1.0 / TIP, cosine = sqrt(1.0 - sine * sine);
  vec2 tangent = vec2(cosine, -sine);
  bool beside = dot(p - tangent, vec2(-sine, -cosine)) > 0.0;
  return beside ? dot(p, tangent) - 1.0 : length(p) - 1.0;
}

float diamond(vec2 p) {
  p = abs(p);
  return (p.x + p.y - 1.15) * 0.70711;
}

// One layer over another, both with colours already multiplied by their opacity.
vec4 over(vec4 top, vec4 bottom) {
  return top + bottom * (1.0 - top.a);
}

void main() {
  bool selected = (shape & 4) != 0;
  int kind = shape & 3;
  float size = radius * (selected ? 1.3 : 1.0);
  float d = kind == 0 ? diamond(at) : kind == 2 ? drop(at) : length(at) - 1.0;
  float edge = 0.5 / (size * pixelRatio);
  float rimWidth = clamp(1.6 / size, 0.14, 0.45);
  vec3 fill = kind == 0 ? offline : online;
  float inside = 1.0 - smoothstep(-edge, edge, d);
  float body = kind == 0 ? inside * smoothstep(-edge, edge, d + max(0.36, 1.8 / size)) : inside;
  float border = 1.0 - smoothstep(-edge, edge, d - rimWidth);
  vec4 result = over(vec4(fill * body, body), vec4(rim * border, border));
  float shade = 0.28 * (1.0 - smoothstep(0.0, 0.55, d - rimWidth * 0.6));
  result = over(result, vec4(0.0, 0.0, 0.0, shade));
  if (selected) {
    float ring = length(at) - 2.45;
    float band = 1.0 - smoothstep(-edge, edge, abs(ring) - 1.2 / size);
    float disc = 0.16 * (1.0 - smoothstep(-edge, edge, ring));
    result = over(result, over(vec4(online * band, band), vec4(online * disc, disc)));
  }
  float grey = dot(result.rgb, vec3(0.3, 0.59, 0.11));
  colour = mix(result, vec4(vec3(grey), result.a) * 0.62, faded);
}`;

/** @param {WebGL2RenderingContext} gl @param {number} type @param {string} source @returns {WebGLShader} */
function compile(gl, type, source) {
  const shader = gl.createShader(type);
  if (!shader) throw new Error('no shader');
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
    throw new Error(gl.getShaderInfoLog(shader) ?? 'shader');
  }
  return shader;
}

export class Markers {
  canvas = document.createElement('canvas');
  /** How many were on the canvas in the last picture. */
  drawn = 0;
  #gl;
  /** @type {Record<string, WebGLUniformLocation | null>} */
  #uniforms = {};
  /** @type {WebGLVertexArrayObject | null} */
  #array = null;
  /** @type {WebGLBuffer | null} */
  #buffer = null;
  #data = new Float32Array(0);
  #count = 0;

  /** @param {() => void} onRestored called when the graphics driver came back and all must be drawn again */
  constructor(onRestored) {
    this.canvas.className = 'markers';
    const gl = this.canvas.getContext('webgl2', { antialias: false, depth: false, stencil: false });
    if (!gl) throw new Error('WebGL 2 is not available');
    this.#gl = gl;
    this.canvas.addEventListener('webglcontextlost', (event) => event.preventDefault());
    this.canvas.addEventListener('webglcontextrestored', () => {
      this.#prepare();
      onRestored();
    });
    this.#prepare();
  }

  #prepare() {
    const gl = this.#gl;
    const program = gl.createProgram();
    gl.attachShader(program, compile(gl, gl.VERTEX_SHADER, VERTEX));
    gl.attachShader(program, compile(gl, gl.FRAGMENT_SHADER, FRAGMENT));
    gl.linkProgram(program);
    gl.useProgram(program);
    for (const name of ['viewport', 'radius', 'pixelRatio', 'faded', 'online', 'offline', 'rim']) {
      this.#uniforms[name] = gl.getUniformLocation(program, name);
    }
    this.#array = gl.createVertexArray();
    gl.bindVertexArray(this.#array);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    this.#buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffer);
    [2, 1, 1].reduce((offset, size, i) => {
      gl.enableVertexAttribArray(i + 1);
      gl.vertexAttribPointer(i + 1, size, gl.FLOAT, false, STRIDE * 4, offset * 4);
      gl.vertexAttribDivisor(i + 1, 1);
      return offset + size;
    }, 0);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  /** Begins a picture of at most so many markers. @param {number} capacity */
  begin(capacity) {
    if (this.#data.length < capacity * STRIDE) this.#data = new Float32Array(Math.ceil(capacity * 1.5) * STRIDE);
    this.#count = 0;
  }

  /**
   * Adds one marker above those added before.
   * @param {number} x @param {number} y CSS pixels from the top left
   * @param {number} heading degrees @param {number} kind of KIND
   */
  add(x, y, heading, kind) {
    const offset = this.#count++ * STRIDE;
    this.#data[offset] = x;
    this.#data[offset + 1] = y;
    this.#data[offset + 2] = (heading * Math.PI) / 180;
    this.#data[offset + 3] = kind;
  }

  /**
   * Draws what was added.
   * @param {{width: number, height: number, pixelRatio: number, radius: number, faded: boolean,
   *   colours: import('./palette.mjs').MarkerColours}} view sizes in CSS pixels
   */
  end(view) {
    const gl = this.#gl;
    const width = Math.round(view.width * view.pixelRatio);
    const height = Math.round(view.height * view.pixelRatio);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    gl.viewport(0, 0, width, height);
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.drawn = this.#count;
    if (this.#count === 0) return;
    const uniforms = this.#uniforms;
    gl.uniform2f(uniforms.viewport, view.width, view.height);
    gl.uniform1f(uniforms.radius, view.radius);
    gl.uniform1f(uniforms.pixelRatio, view.pixelRatio);
    gl.uniform1f(uniforms.faded, view.faded ? 1 : 0);
    gl.uniform3fv(uniforms.online, view.colours.online);
    gl.uniform3fv(uniforms.offline, view.colours.offline);
    gl.uniform3fv(uniforms.rim, view.colours.rim);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffer);
    gl.bufferData(gl.ARRAY_BUFFER, this.#data.subarray(0, this.#count * STRIDE), gl.DYNAMIC_DRAW);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, this.#count);
  }
}

/**
 * A marker's radius: large in the street, small from afar, and smaller still where many share the view.
 * @param {number} zoom @param {number} area of the view, in CSS pixels @param {number} visible markers in it
 * @returns {number} CSS pixels
 */
export function markerRadius(zoom, area, visible) {
  const near = 4.5 + 4 * Math.max(0, Math.min(1, (zoom - 8) / 7));
  const spacing = Math.sqrt(area / Math.max(1, visible));
  return Math.min(near, Math.max(3, spacing * 0.17));
}
