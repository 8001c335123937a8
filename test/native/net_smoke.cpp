// net_smoke.cpp: the load client against the mock server, with faults, for runs under a sanitizer: test/native/sanitize
// builds it with the sources of both and runs it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../native/net/net.h"

static double must(double result) {
  if (result >= 0) return result;
  char text[512];
  sn_error(text, sizeof text);
  fprintf(stderr, "net_smoke: %s\n", text);
  exit(1);
}

static void part(int mock, int number, const char* text) {
  must(sn_mock_part(mock, number, (const uint8_t*)text, (int)strlen(text)));
}

static const char request[] =
    "POST / HTTP/1.1\r\ncontent-length: 33\r\n\r\n{\"stream\": true, \"max_tokens\": 20}";

// Takes finished exchanges until `count` have been; returns how many of them succeeded with status 200.
static int take(int client, int count) {
  static double stamps[1 << 16];
  static uint8_t bytes[1 << 20];
  int good = 0;
  while (count > 0) {
    double summary[SN_SUMMARY], counters[SN_COUNTERS];
    must(sn_client_counters(client, counters));
    if (must(sn_client_take(client, summary)) == 0) {
      usleep(500);
      continue;
    }
    must(sn_client_stamps(client, stamps));
    must(sn_client_entries(client, bytes));
    good += (int)summary[SN_FAILURE] == SN_SUCCESS && (int)summary[SN_STATUS] == 200;
    count--;
  }
  return good;
}

int main(int, char** arguments) {
  int mock = (int)must(sn_mock_open(arguments[1]));
  part(mock, SN_EVENT_BEFORE, "data: {\"choices\":[{\"text\":\"");
  part(mock, SN_EVENT_AFTER, "\"}]}\n\n");
  part(mock, SN_LAST, "data: [DONE]\n\n");
  part(mock, SN_MODELS, "{}");
  part(mock, SN_ERROR_EVENT, "data: {\"error\":\"no\"}\n\n");
  int port = (int)must(sn_mock_start(mock));
  char options[256];
  for (int keep = 0; keep < 2; keep++) {
    snprintf(options, sizeof options,
             "address=127.0.0.1 port=%d threads=3 keep_alive=%d max_in_flight=%d timeout_ms=500 text=choices.0.text", port,
             keep, keep ? 40 : 0);
    int client = (int)must(sn_client_open(options));
    const int count = 600;
    for (int i = 0; i < count; i++) {
      must(sn_client_submit(client, i, (const uint8_t*)request, sizeof request - 1, i * 1e5));
    }
    must(sn_client_start(client));
    int good = take(client, count);
    for (int i = 0; i < 100; i++) must(sn_client_submit(client, i, (const uint8_t*)request, sizeof request - 1, i * 1e7));
    usleep(30000);
    must(sn_client_cancel(client));
    must(sn_client_close(client));
    printf("%d of %d replies were whole\n", good, count);
  }
  must(sn_mock_close(mock));
  return 0;
}
