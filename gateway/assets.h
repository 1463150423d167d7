// The page and its files, which are built into the program.
#ifndef MUSTER_ASSETS_H
#define MUSTER_ASSETS_H

#include "http.h"

// The Content-Security-Policy of the page: only its own scripts, and a map's style, tiles and pictures from anywhere
// over HTTPS, and from the style's own origin where that is plain HTTP. The caller frees it.
char *assets_content_policy(const char *style_url);

// Answers with the file at this path; false if there is none.
bool assets_serve(const char *content_policy, const struct http_request *request, struct http_response *response);

#endif
