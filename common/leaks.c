// What LeakSanitizer is not to report, because it is not ours to free; linked into address-sanitized builds only.
//
// - nats.c (3.4.1, and later) forgets the message that it has half read when a connection ends: natsParser_Destroy does
//   not free msgBuf. That is one message for each connection lost, and nothing that grows while all is well.
// - nats_CloseAndWait tells all threads of nats.c to end at once, also the one that frees messages: what the others
//   release after it has gone is lost. These are its own words to its threads that a subscription is over, 106 bytes
//   each, in a program that ends.
const char *__lsan_default_suppressions(void);
const char *__asan_default_options(void);

const char *__lsan_default_suppressions(void) {
  return "leak:natsBuf_Create\n"
         "leak:natsLib_msgDeliveryPostControlMsg\n";
}

// Debian's libraries have no frame pointers: which of their functions asked for memory is seen by unwind tables only.
const char *__asan_default_options(void) {
  return "fast_unwind_on_malloc=0";
}
