// What LeakSanitizer is not to report, because it is not ours to free; linked into address-sanitized builds only.
//
// nats.c (3.4.1, and later) forgets the message that it has half read when a connection ends: natsParser_Destroy does
// not free msgBuf. That is one message for each connection lost, and nothing that grows while all is well.
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void) {
  return "leak:natsBuf_Create\n";
}
