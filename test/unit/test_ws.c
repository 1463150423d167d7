// ws.c: the handshake's answer, frame headers, and a reader that is fed in every way a socket could cut it.
#include "../../gateway/ws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIN 0x80
#define SESSION_BYTES 16384

// What the reader told, as text, and what it shall be told back.
struct heard {
  char log[2 * SESSION_BYTES];
  size_t len;
  const uint8_t *from, *to;  // the bytes being fed
  size_t copied;             // how many messages and pings did not lie in them
  int answer;
};

static void note(struct heard *heard, const char *what, const uint8_t *bytes, size_t len) {
  heard->len += (size_t)snprintf(heard->log + heard->len, sizeof heard->log - heard->len, "%s(%.*s)", what, (int)len,
                                 (const char *)bytes);
  assert_true(heard->len < sizeof heard->log);
  if (bytes < heard->from || bytes + len > heard->to) heard->copied++;
}

static int on_message(void *context, bool text, const uint8_t *bytes, size_t len) {
  struct heard *heard = context;
  assert_true(len <= WS_MESSAGE_MAX);
  note(heard, text ? "text" : "binary", bytes, len);
  return heard->answer;
}

static int on_ping(void *context, const uint8_t *bytes, size_t len) {
  struct heard *heard = context;
  assert_true(len <= WS_CONTROL_MAX);
  note(heard, "ping", bytes, len);
  return heard->answer;
}

static void on_close(void *context, int code) {
  struct heard *heard = context;
  heard->len += (size_t)snprintf(heard->log + heard->len, sizeof heard->log - heard->len, "close(%d)", code);
}

static const struct ws_events events = {on_message, on_ping, on_close};

// Feeds a copy of exactly these bytes, so that a sanitizer sees an overrun, and their origin stays masked.
static int feed(struct ws_reader *reader, const uint8_t *bytes, size_t len, struct heard *heard) {
  uint8_t *copy = malloc(len ? len : 1);
  memcpy(copy, bytes, len);
  heard->from = copy;
  heard->to = copy + len;
  int code = ws_reader_feed(reader, copy, len, &events, heard);
  free(copy);
  return code;
}

// In pieces of so many bytes; 0: all at once. Stops where the reader does.
static int feed_pieces(const uint8_t *bytes, size_t len, size_t piece, struct heard *heard) {
  struct ws_reader reader;
  ws_reader_init(&reader);
  int code = 0;
  if (piece == 0) piece = len;
  for (size_t at = 0; at < len && !code; at += piece) {
    code = feed(&reader, bytes + at, len - at < piece ? len - at : piece, heard);
  }
  ws_reader_fini(&reader);
  return code;
}

// ---- a client ----

struct client {
  uint8_t bytes[SESSION_BYTES];
  size_t len;
};

static void put(struct client *client, const void *bytes, size_t len) {
  assert_true(client->len + len <= sizeof client->bytes);
  memcpy(client->bytes + client->len, bytes, len);
  client->len += len;
}

// The length in len_bytes (0, 2 or 8) after the second byte, then a mask that differs from frame to frame.
static void put_head(struct client *client, int first, uint64_t len, size_t len_bytes) {
  uint8_t head[14] = {(uint8_t)first, (uint8_t)(0x80 | (len_bytes == 0 ? len : len_bytes == 2 ? 126 : 127))};
  for (size_t i = 0; i < len_bytes; i++) head[2 + i] = (uint8_t)(len >> 8 * (len_bytes - 1 - i));
  for (size_t i = 0; i < 4; i++) head[2 + len_bytes + i] = (uint8_t)(0x5b + 37 * client->len + 101 * i);
  put(client, head, 6 + len_bytes);
}

static void put_payload(struct client *client, const void *payload, size_t len) {
  uint8_t mask[4];
  memcpy(mask, client->bytes + client->len - 4, 4);
  for (size_t i = 0; i < len; i++) put(client, &(uint8_t){((const uint8_t *)payload)[i] ^ mask[i % 4]}, 1);
}

static void put_frame(struct client *client, int first, const void *payload, size_t len) {
  put_head(client, first, len, len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8);
  put_payload(client, payload, len);
}

static void put_text(struct client *client, int first, const char *payload) {
  put_frame(client, first, payload, strlen(payload));
}

static void put_close(struct client *client, int code, const char *reason) {
  char payload[126];
  payload[0] = (char)(code >> 8);
  payload[1] = (char)code;
  memcpy(payload + 2, reason, strlen(reason));
  put_frame(client, FIN | WS_CLOSE, payload, 2 + strlen(reason));
}

// Whole and byte by byte: the same code, and the same told.
static void assert_code(const struct client *client, int code, const char *told) {
  for (size_t piece = 0; piece <= 1; piece++) {
    struct heard heard = {0};
    assert_int_equal(feed_pieces(client->bytes, client->len, piece, &heard), code);
    assert_string_equal(heard.log, told);
  }
}

// ---- what the server writes ----

static void accepts_the_key_of_the_rfc(void **state) {
  (void)state;
  char out[WS_ACCEPT_BYTES];
  assert_true(ws_accept("dGhlIHNhbXBsZSBub25jZQ==", out));
  assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  assert_true(ws_accept("x3JJHMbDL1EzLkh9GBhXDw==", out));
  assert_string_equal(out, "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
}

static void refuses_what_is_no_key(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "==",
      "dGhlIHNhbXBsZSBub25jZQ",
      "dGhlIHNhbXBsZSBub25jZQ=",
      "dGhlIHNhbXBsZSBub25jZQ===",
      "dGhlIHNhbXBsZSBub25jZ===",
      "dGhlIHNhbXBsZSBub25jZQA=",
      "dGhlIHNhbXBsZSBub25jZQAA",
      "dGhlIHNhbXBsZSBub25j-Q==",
      "dGhlIHNhbXBsZSBub25j Q==",
      " dGhlIHNhbXBsZSBub25jZQ==",
      "dGhlIHNhbXBsZSBub25jZQ== ",
      "dGhlIHNhbXBsZSBub25jZQ==dGhl",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char out[WS_ACCEPT_BYTES] = "untouched";
    assert_false(ws_accept(bad[i], out));
    assert_string_equal(out, "untouched");
  }
}

static void heads_are_as_short_as_can_be(void **state) {
  (void)state;
  static const struct {
    size_t payload_len, head_len;
    uint8_t head[WS_HEAD_BYTES];
  } cases[] = {
      {0, 2, {0x81, 0}},
      {125, 2, {0x81, 125}},
      {126, 4, {0x81, 126, 0, 126}},
      {0x1234, 4, {0x81, 126, 0x12, 0x34}},
      {65535, 4, {0x81, 126, 0xff, 0xff}},
      {65536, 10, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
      {0x123456789a, 10, {0x81, 127, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint8_t *head = malloc(cases[i].head_len);
    uint8_t longest[WS_HEAD_BYTES];
    assert_int_equal(ws_head(longest, WS_TEXT, cases[i].payload_len), cases[i].head_len);
    memcpy(head, longest, cases[i].head_len);
    assert_memory_equal(head, cases[i].head, cases[i].head_len);
    free(head);
  }
  uint8_t head[WS_HEAD_BYTES];
  assert_int_equal(ws_head(head, WS_BINARY, 3), 2);
  assert_int_equal(head[0], 0x82);
  assert_int_equal(ws_head(head, WS_PONG, 3), 2);
  assert_int_equal(head[0], 0x8a);
}

static void close_frames_have_their_code(void **state) {
  (void)state;
  uint8_t frame[WS_CLOSE_BYTES];
  assert_int_equal(ws_close_frame(frame, WS_TOO_BIG), 4);
  assert_memory_equal(frame, ((uint8_t[]){0x88, 2, 0x03, 0xf1}), 4);
  assert_int_equal(ws_close_frame(frame, WS_NO_CODE), 2);
  assert_memory_equal(frame, ((uint8_t[]){0x88, 0}), 2);
}

// ---- the reader ----

// A bit of everything: each length, empty ones, fragments cut in the middle of a character, with control frames
// between.
static void put_session(struct client *client, char *told) {
  char filler[131], longest[127];
  memset(filler, 'x', 130);
  filler[130] = '\0';
  memset(longest, 'p', 125);
  longest[125] = '\0';
  put_text(client, FIN | WS_TEXT, "{\"interval_ms\":0}");
  put_text(client, FIN | WS_BINARY, "abc");
  put_text(client, FIN | WS_PING, "");
  put_text(client, FIN | WS_TEXT, "");
  put_text(client, FIN | WS_BINARY, filler);
  put_text(client, WS_TEXT, "Z\xc3");
  put_text(client, FIN | WS_PING, longest);
  put_text(client, WS_CONTINUATION,
           "\xbc"
           "rich \xf0\x9f");
  put_text(client, WS_CONTINUATION, "");
  put_text(client, FIN | WS_PONG, "unasked");
  put_text(client, FIN | WS_PONG, "");
  put_text(client, FIN | WS_CONTINUATION, "\x98\x80");
  put_text(client, WS_BINARY, "");
  put_text(client, FIN | WS_CONTINUATION, "late");
  put_text(client, WS_BINARY, "early");
  put_text(client, FIN | WS_CONTINUATION, "");
  put_text(client, WS_TEXT, "");
  put_text(client, FIN | WS_CONTINUATION, "");
  put_close(client, WS_GOING_AWAY, "gr\xc3\xbc\xc3\x9f dich");
  sprintf(told,
          "text({\"interval_ms\":0})binary(abc)ping()text()binary(%s)ping(%s)text(Z\xc3\xbcrich "
          "\xf0\x9f\x98\x80)binary(late)binary(early)text()close(1001)",
          filler, longest);
}

static void a_session_is_the_same_however_it_is_cut(void **state) {
  (void)state;
  struct client client = {0};
  char told[SESSION_BYTES];
  put_session(&client, told);
  struct heard heard;
  for (size_t first = 0; first <= client.len; first++) {
    for (size_t second = first; second <= client.len; second += 1 + (second - first) / 8) {
      struct ws_reader reader;
      ws_reader_init(&reader);
      heard.len = heard.copied = 0;
      heard.answer = 0;
      heard.log[0] = '\0';
      bool all = first == client.len;
      assert_int_equal(feed(&reader, client.bytes, first, &heard), all ? WS_GOING_AWAY : 0);
      all = all || second == client.len;
      assert_int_equal(feed(&reader, client.bytes + first, second - first, &heard), all ? WS_GOING_AWAY : 0);
      assert_int_equal(feed(&reader, client.bytes + second, client.len - second, &heard), WS_GOING_AWAY);
      assert_string_equal(heard.log, told);
      ws_reader_fini(&reader);
    }
  }
  for (size_t piece = 0; piece < 40; piece++) {
    heard = (struct heard){0};
    assert_int_equal(feed_pieces(client.bytes, client.len, piece, &heard), WS_GOING_AWAY);
    assert_string_equal(heard.log, told);
  }
}

static void what_lies_whole_in_the_bytes_is_not_copied(void **state) {
  (void)state;
  struct client client = {0};
  uint8_t *payload = calloc(1, WS_MESSAGE_MAX);
  put_text(&client, FIN | WS_TEXT, "one");
  put_text(&client, FIN | WS_PING, "two");
  put_frame(&client, FIN | WS_BINARY, payload, WS_MESSAGE_MAX);
  put_text(&client, FIN | WS_TEXT, "three");
  struct heard heard = {0};
  struct ws_reader reader;
  ws_reader_init(&reader);
  // The first header comes alone: also then the payload is whole.
  assert_int_equal(feed(&reader, client.bytes, 6, &heard), 0);
  assert_int_equal(feed(&reader, client.bytes + 6, client.len - 6, &heard), 0);
  assert_string_equal(heard.log, "text(one)ping(two)binary()text(three)");
  assert_int_equal(heard.copied, 0);
  assert_null(reader.message);
  assert_null(reader.control);
  ws_reader_fini(&reader);
  free(payload);
}

static void memory_is_held_only_while_something_is_unfinished(void **state) {
  (void)state;
  struct client client = {0};
  put_text(&client, WS_TEXT, "Z\xc3");
  size_t fragment = client.len;
  put_text(&client, FIN | WS_PING, "ping");
  size_t ping = client.len;
  put_text(&client, FIN | WS_CONTINUATION, "\xbc");
  struct heard heard = {0};
  struct ws_reader reader;
  ws_reader_init(&reader);
  assert_int_equal(feed(&reader, client.bytes, fragment, &heard), 0);
  assert_non_null(reader.message);
  assert_int_equal(feed(&reader, client.bytes + fragment, ping - fragment - 1, &heard), 0);
  assert_non_null(reader.control);
  assert_int_equal(feed(&reader, client.bytes + ping - 1, 1, &heard), 0);
  assert_null(reader.control);
  assert_int_equal(feed(&reader, client.bytes + ping, client.len - ping, &heard), 0);
  assert_null(reader.message);
  assert_string_equal(heard.log, "ping(ping)text(Z\xc3\xbc)");
  assert_int_equal(heard.copied, 2);
  // A reader that is ended in between frees what it holds; the sanitizer would tell.
  assert_int_equal(feed(&reader, client.bytes, ping - 1, &heard), 0);
  ws_reader_fini(&reader);
}

static void each_rule_of_framing_has_its_code(void **state) {
  (void)state;
  static const struct {
    const char *rule;
    size_t len;
    const char *bytes;
    int code;
  } cases[] = {
      {"5.1 a frame of a client is masked", 2, "\x81\x01", WS_PROTOCOL_ERROR},
      {"5.1 also a control frame", 2, "\x89\x00", WS_PROTOCOL_ERROR},
      {"5.2 RSV1", 2, "\xc1\x80", WS_PROTOCOL_ERROR},
      {"5.2 RSV2", 2, "\xa1\x80", WS_PROTOCOL_ERROR},
      {"5.2 RSV3", 2, "\x91\x80", WS_PROTOCOL_ERROR},
      {"5.2 RSV1 of a control frame", 2, "\xc9\x80", WS_PROTOCOL_ERROR},
      {"5.2 opcode 3", 2, "\x83\x80", WS_PROTOCOL_ERROR},
      {"5.2 opcode 7", 2, "\x87\x80", WS_PROTOCOL_ERROR},
      {"5.2 opcode b", 2, "\x8b\x80", WS_PROTOCOL_ERROR},
      {"5.2 opcode f", 2, "\x8f\x80", WS_PROTOCOL_ERROR},
      {"5.2 16 bits for 125", 8, "\x82\xfe\x00\x7d\x00\x00\x00\x00", WS_PROTOCOL_ERROR},
      {"5.2 64 bits for 65535", 14, "\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00", WS_PROTOCOL_ERROR},
      {"5.2 the 64th bit", 14, "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", WS_PROTOCOL_ERROR},
      {"5.4 nothing to continue", 2, "\x80\x80", WS_PROTOCOL_ERROR},
      {"5.4 nothing to continue, and no end", 2, "\x00\x80", WS_PROTOCOL_ERROR},
      {"5.4 text within a text", 8, "\x01\x80\x00\x00\x00\x00\x81\x80", WS_PROTOCOL_ERROR},
      {"5.4 binary within a text", 8, "\x01\x80\x00\x00\x00\x00\x02\x80", WS_PROTOCOL_ERROR},
      {"5.5 a ping in fragments", 2, "\x09\x80", WS_PROTOCOL_ERROR},
      {"5.5 a pong in fragments", 2, "\x0a\x80", WS_PROTOCOL_ERROR},
      {"5.5 a close in fragments", 2, "\x08\x80", WS_PROTOCOL_ERROR},
      {"5.5 a ping of 126", 2, "\x89\xfe", WS_PROTOCOL_ERROR},
      {"5.5 a close of 65536", 2, "\x88\xff", WS_PROTOCOL_ERROR},
      {"5.5.1 half a close code", 7, "\x88\x81\x00\x00\x00\x00\x03", WS_PROTOCOL_ERROR},
      {"5.5.1 a reason is UTF-8", 9, "\x88\x83\x00\x00\x00\x00\x03\xe8\xff", WS_BAD_TEXT},
      {"5.5.1 a reason ends within a character", 9, "\x88\x83\x00\x00\x00\x00\x03\xe8\xc3", WS_BAD_TEXT},
      {"10.4 63 bits", 14, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", WS_TOO_BIG},
      {"10.4 one too many", 8, "\x82\xfe\x10\x01\x00\x00\x00\x00", WS_TOO_BIG},
      {"10.4 65536", 14, "\x02\xff\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00", WS_TOO_BIG},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (size_t piece = 0; piece <= 1; piece++) {
      struct heard heard = {0};
      int code = feed_pieces((const uint8_t *)cases[i].bytes, cases[i].len, piece, &heard);
      if (code != cases[i].code) fail_msg("%s: %d", cases[i].rule, code);
      assert_string_equal(heard.log, "");
      // Without its last byte it was still good: nothing is judged late, and nothing early without reason.
      heard = (struct heard){0};
      code = feed_pieces((const uint8_t *)cases[i].bytes, cases[i].len - 1, piece, &heard);
      if (code != 0) fail_msg("%s, but its last byte: %d", cases[i].rule, code);
    }
  }
}

static void a_close_ends_it_and_is_answered_with_its_code(void **state) {
  (void)state;
  struct client client = {0};
  put_text(&client, FIN | WS_CLOSE, "");
  assert_code(&client, WS_NORMAL, "close(1005)");
  client.len = 0;
  put_close(&client, 4711, "");
  assert_code(&client, 4711, "close(4711)");
  // In the middle of a message, too.
  client.len = 0;
  put_text(&client, WS_TEXT, "unfini");
  put_close(&client, WS_NORMAL, "");
  assert_code(&client, WS_NORMAL, "close(1000)");
}

static void only_codes_that_may_be_sent_are_taken(void **state) {
  (void)state;
  for (int code = 0; code <= UINT16_MAX; code++) {
    bool good = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
    struct client client;
    client.len = 0;
    put_close(&client, code, "why");
    struct ws_reader reader;
    ws_reader_init(&reader);
    struct heard heard;
    heard.len = 0;
    heard.log[0] = '\0';
    assert_int_equal(ws_reader_feed(&reader, client.bytes, client.len, &events, &heard),
                     good ? code : WS_PROTOCOL_ERROR);
    assert_int_equal(heard.len > 0, good);
  }
}

static void nothing_is_read_after_the_end(void **state) {
  (void)state;
  struct client client = {0};
  put_text(&client, WS_TEXT, "begun");
  put_close(&client, WS_NORMAL, "");
  put_text(&client, FIN | WS_PING, "after");
  struct heard heard = {0};
  struct ws_reader reader;
  ws_reader_init(&reader);
  assert_int_equal(feed(&reader, client.bytes, client.len, &heard), WS_NORMAL);
  assert_null(reader.message);  // of which a part was there
  client.len = 0;
  put_text(&client, FIN | WS_TEXT, "again");
  assert_int_equal(feed(&reader, client.bytes, client.len, &heard), WS_NORMAL);
  assert_int_equal(feed(&reader, client.bytes, 0, &heard), WS_NORMAL);
  assert_string_equal(heard.log, "close(1000)");
  ws_reader_fini(&reader);
}

static void a_callback_can_end_it(void **state) {
  (void)state;
  static const int firsts[] = {FIN | WS_TEXT, FIN | WS_PING};
  static const char *const told[] = {"text(no)", "ping(no)"};
  for (size_t i = 0; i < 2; i++) {
    for (size_t piece = 0; piece <= 1; piece++) {
      struct client client = {0};
      put_text(&client, firsts[i], "no");
      put_text(&client, firsts[i], "more");
      struct heard heard = {.answer = WS_UNSUPPORTED};
      assert_int_equal(feed_pieces(client.bytes, client.len, piece, &heard), WS_UNSUPPORTED);
      assert_string_equal(heard.log, told[i]);
    }
  }
}

// ---- sizes ----

static void the_limit_is_of_the_message_not_of_its_frames(void **state) {
  (void)state;
  char *payload = malloc(WS_MESSAGE_MAX);
  memset(payload, 'a', WS_MESSAGE_MAX);
  for (size_t first = 0; first <= WS_MESSAGE_MAX; first += 512) {
    struct client client = {0};
    put_frame(&client, WS_TEXT, payload, first);
    put_frame(&client, FIN | WS_PING, payload, WS_CONTROL_MAX);  // does not count
    put_frame(&client, FIN | WS_CONTINUATION, payload, WS_MESSAGE_MAX - first);
    struct heard heard = {0};
    assert_int_equal(feed_pieces(client.bytes, client.len, 100, &heard), 0);
    assert_int_equal(heard.len, strlen("ping()text()") + WS_CONTROL_MAX + WS_MESSAGE_MAX);
    // One more is refused by its header, before any of it has come.
    client.len = 0;
    put_frame(&client, WS_TEXT, payload, first);
    size_t more = WS_MESSAGE_MAX - first + 1;
    put_head(&client, FIN | WS_CONTINUATION, more, more < 126 ? 0 : 2);
    assert_code(&client, WS_TOO_BIG, "");
  }
  free(payload);
}

static void claimed_lengths_are_not_allocated(void **state) {
  (void)state;
  static const uint64_t lengths[] = {WS_MESSAGE_MAX, WS_MESSAGE_MAX + 1, UINT16_MAX + 1, UINT32_MAX, INT64_MAX};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    struct client client = {0};
    put_head(&client, FIN | WS_BINARY, lengths[i], lengths[i] <= UINT16_MAX ? 2 : 8);
    struct heard heard = {0};
    struct ws_reader reader;
    ws_reader_init(&reader);
    assert_int_equal(feed(&reader, client.bytes, client.len, &heard), i == 0 ? 0 : WS_TOO_BIG);
    assert_null(reader.message);
    assert_null(reader.control);
  }
}

static void endless_empty_fragments_take_no_memory(void **state) {
  (void)state;
  struct client client = {0};
  put_text(&client, WS_TEXT, "");
  struct heard heard = {0};
  struct ws_reader reader;
  ws_reader_init(&reader);
  assert_int_equal(feed(&reader, client.bytes, client.len, &heard), 0);
  client.len = 0;
  put_text(&client, WS_CONTINUATION, "");
  for (int i = 0; i < 10000; i++) assert_int_equal(feed(&reader, client.bytes, client.len, &heard), 0);
  assert_null(reader.message);
  client.len = 0;
  put_text(&client, FIN | WS_CONTINUATION, "end");
  assert_int_equal(feed(&reader, client.bytes, client.len, &heard), 0);
  assert_string_equal(heard.log, "text(end)");
  assert_int_equal(heard.copied, 0);
}

// ---- UTF-8 ----

static const struct {
  const char *text;
  bool good;
} texts[] = {
    {"ascii \x7f", true},
    {"\xc2\x80", true},
    {"\xdf\xbf", true},
    {"\xe0\xa0\x80", true},
    {"\xec\x80\x80", true},
    {"\xed\x9f\xbf", true},
    {"\xee\x80\x80", true},
    {"\xef\xbf\xbf", true},
    {"\xf0\x90\x80\x80", true},
    {"\xf3\xbf\xbf\xbf", true},
    {"\xf4\x8f\xbf\xbf", true},
    {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", true},
    {"a\x80", false},  // a continuation of nothing
    {"a\xbf z", false},
    {"\xc0\x80", false},  // overlong
    {"\xc1\xbf", false},
    {"\xe0\x9f\xbf", false},
    {"\xf0\x8f\xbf\xbf", false},
    {"\xed\xa0\x80", false},  // surrogates
    {"\xed\xbf\xbf", false},
    {"\xf4\x90\x80\x80", false},  // beyond U+10FFFF
    {"\xf5\x80\x80\x80", false},
    {"\xf8\x88\x80\x80\x80", false},
    {"\xfe", false},
    {"\xff", false},
    {"\xc3z", false},  // too few
    {"\xe2\x82z", false},
    {"\xf0\x9f\x98z", false},
    {"\xc3", false},
    {"\xe2\x82", false},
    {"\xf0\x9f\x98", false},
    {"\xce\xba\xe1\xbd\xb9\xed\xa0\x80 edited", false},
};

static void text_is_judged_whatever_its_fragments(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    const char *text = texts[i].text;
    size_t len = strlen(text);
    char told[64];
    sprintf(told, "text(%s)", text);
    if (!texts[i].good) told[0] = '\0';
    for (size_t first = 0; first <= len; first++) {
      for (size_t second = first; second <= len; second++) {
        struct client client = {0};
        put_frame(&client, WS_TEXT, text, first);
        put_text(&client, FIN | WS_PONG, "\xff");
        put_frame(&client, WS_CONTINUATION, text + first, second - first);
        put_frame(&client, FIN | WS_CONTINUATION, text + second, len - second);
        assert_code(&client, texts[i].good ? 0 : WS_BAD_TEXT, told);
      }
    }
    struct client client = {0};
    put_text(&client, FIN | WS_TEXT, text);
    assert_code(&client, texts[i].good ? 0 : WS_BAD_TEXT, told);
    client.len = 0;  // binary is anything
    put_text(&client, FIN | WS_BINARY, text);
    sprintf(told, "binary(%s)", text);
    assert_code(&client, 0, told);
  }
}

static void bad_text_is_refused_before_its_end(void **state) {
  (void)state;
  struct client client = {0};
  put_head(&client, WS_TEXT, 100, 0);
  put_payload(&client, "\xed\xa0", 2);
  assert_code(&client, WS_BAD_TEXT, "");
  client.len = 0;  // each text begins anew
  put_text(&client, WS_TEXT, "\xc3");
  put_text(&client, FIN | WS_CONTINUATION, "\xbc");
  put_text(&client, FIN | WS_TEXT, "\xbc");
  assert_code(&client, WS_BAD_TEXT, "text(\xc3\xbc)");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(accepts_the_key_of_the_rfc),
      cmocka_unit_test(refuses_what_is_no_key),
      cmocka_unit_test(heads_are_as_short_as_can_be),
      cmocka_unit_test(close_frames_have_their_code),
      cmocka_unit_test(a_session_is_the_same_however_it_is_cut),
      cmocka_unit_test(what_lies_whole_in_the_bytes_is_not_copied),
      cmocka_unit_test(memory_is_held_only_while_something_is_unfinished),
      cmocka_unit_test(each_rule_of_framing_has_its_code),
      cmocka_unit_test(a_close_ends_it_and_is_answered_with_its_code),
      cmocka_unit_test(only_codes_that_may_be_sent_are_taken),
      cmocka_unit_test(nothing_is_read_after_the_end),
      cmocka_unit_test(a_callback_can_end_it),
      cmocka_unit_test(the_limit_is_of_the_message_not_of_its_frames),
      cmocka_unit_test(claimed_lengths_are_not_allocated),
      cmocka_unit_test(endless_empty_fragments_take_no_memory),
      cmocka_unit_test(text_is_judged_whatever_its_fragments),
      cmocka_unit_test(bad_text_is_refused_before_its_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
