// A hash of the content is the entity tag, so a browser that has the file gets 304, and a new build is seen at once.
#include "assets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "query.h"

extern const struct embedded web_assets[];

static const char *type_of(const char *name) {
  static const char *const types[][2] = {
      {".html", "text/html; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json"},
      {".geojson", "application/geo+json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".pbf", "application/x-protobuf"},
      {".txt", "text/plain; charset=utf-8"},
      {".woff2", "font/woff2"},
      {".webmanifest", "application/manifest+json"},
  };
  const char *dot = strrchr(name, '.');
  for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++) {
    if (strcmp(dot, types[i][0]) == 0) return types[i][1];
  }
  return "application/octet-stream";
}

char *assets_content_policy(const char *style_url) {
  char origin[256] = "";
  if (strncmp(style_url, "http://", 7) == 0) {
    size_t len = 7 + strcspn(style_url + 7, "/?# ;,'\"");
    if (len + 2 < sizeof origin) snprintf(origin, sizeof origin, " %.*s", (int)len, style_url);
  }
  char *policy;
  int len = asprintf(&policy,
                     "default-src 'self'; script-src 'self'; worker-src 'self' blob:; child-src blob:; "
                     "img-src 'self' data: blob: https:%s; connect-src 'self' https:%s; style-src 'self' "
                     "'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
                     origin, origin);
  if (len < 0) abort();
  return policy;
}

static const struct embedded *find(const char *path) {
  const char *name = strcmp(path, "/") == 0 ? "index.html" : path + 1;
  for (const struct embedded *file = web_assets; file->name; file++) {
    if (strcmp(file->name, name) == 0) return file;
  }
  return NULL;
}

bool assets_serve(const char *content_policy, const struct http_request *request, struct http_response *response) {
  const struct embedded *file = find(request->path);
  if (!file) return false;
  bool gzip = file->gzip && query_accepts_gzip(request->accept_encoding);
  char etag[64];
  // Each form has a tag of its own, as strong tags must: the hash, with a letter before the last quote.
  snprintf(etag, sizeof etag, "%.*s%s\"", (int)strlen(file->etag) - 1, file->etag, gzip ? "z" : "");
  http_header(response, "ETag", etag);
  http_header(response, "Cache-Control", "no-cache");
  if (file->gzip) http_header(response, "Vary", "Accept-Encoding");
  http_header(response, "Content-Security-Policy", content_policy);
  if (query_matches_etag(request->if_none_match, etag)) {
    response->status = 304;
    return true;
  }
  if (gzip) http_header(response, "Content-Encoding", "gzip");
  response->type = type_of(file->name);
  response->fixed = gzip ? file->gzip : file->data;
  response->fixed_len = gzip ? file->gzip_len : file->len;
  return true;
}
