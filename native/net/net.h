/*
 * net.h: the C ABI between src/net and the native network threads: a load client, a mock server, a bare client.
 *
 * Times are nanoseconds as doubles: since the client's start, where nothing else is said.
 * Arguments are 32-bit integers, doubles and pointers to arrays of the caller, which are read or written during the
 * call only. A negative result is a refusal; `sn_error` gives the sentence. Handles are small integers.
 */
#ifndef SERVEBENCH_NET_H
#define SERVEBENCH_NET_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SN_API __attribute__((visibility("default")))
#define SN_ABI_VERSION 3

SN_API int32_t sn_abi_version(void);
/* Copies the calling thread's last error, NUL-terminated, into out. Returns its length. */
SN_API int32_t sn_error(char* out, int32_t capacity);

/* ---- load client: HTTP/1.1 requests sent when they are due, replies with the times at which they came ---- */

/*
 * Starts the client's threads. `options` is text of space-separated key=value pairs:
 *   address=IP port=N      where to (IPv6 without brackets)
 *   threads=1              network threads
 *   keep_alive=0           1: connections are used again
 *   max_in_flight=0        requests under way at once, 0 for no limit; those that are due wait in order
 *   send_for_ms=0          so long after the start nothing more is sent: what was still to be is handed back as
 *                          SN_UNSENT, at the latest when what is under way has ended; 0 for no end
 *   timeout_ms=N           for a whole exchange, from its send
 *   text=PATH              where the generated text lies in an event, for example choices.0.text
 */
SN_API int32_t sn_client_open(const char* options);
/* Queues a request that shall be sent `due_ns` after the start. The bytes are copied. */
SN_API int32_t sn_client_submit(int32_t client, int32_t index, const uint8_t* bytes, int32_t length, double due_ns);
/* Starts the clock: before, nothing is sent. Returns the start in nanoseconds of CLOCK_MONOTONIC. */
SN_API double sn_client_start(int32_t client);
/* Sends nothing more; what is under way has ended as SN_INTERRUPTED when this returns,
   what was not sent is forgotten. */
SN_API int32_t sn_client_cancel(int32_t client);

enum sn_failure {
  SN_SUCCESS = 0,
  SN_CONNECT = 1,     /* refused, unreachable, no socket; with an errno */
  SN_BROKEN = 2,      /* the connection ended with an errno */
  SN_UNANSWERED = 3,  /* closed without a byte */
  SN_CUT_OFF = 4,     /* closed before the reply was whole */
  SN_MALFORMED = 5,   /* not HTTP; the entries are the sentence that says why */
  SN_TIMEOUT = 6,
  SN_INTERRUPTED = 7,
  SN_NO_MEMORY = 8,
  SN_UNSENT = 9       /* the time to send in was over */
};

/* Places in the summary of an exchange. Times that did not come are negative. */
enum sn_summary {
  SN_INDEX = 0,
  SN_FAILURE = 1,
  SN_ERRNO = 2,
  SN_STATUS = 3,
  SN_DUE = 4,
  SN_SENT = 5,       /* the send began: the connection is asked for, or an open one is used */
  SN_CONNECTED = 6,
  SN_WRITTEN = 7,    /* the last byte of the request is with the kernel */
  SN_FIRST_BYTE = 8,
  SN_END = 9,
  SN_LINES = 10,     /* stamps */
  SN_BYTES = 11,     /* bytes of the entries */
  SN_READY = 12,     /* it could be sent: it was due, and there was a place for it */
  SN_SUMMARY = 13
};

/* Takes a finished exchange: 1 and its summary (SN_SUMMARY doubles), 0 if none is. */
SN_API int32_t sn_client_take(int32_t client, double* summary);
/* Of the exchange taken last: when each line of its body came in, in seconds since its send. */
SN_API int32_t sn_client_stamps(int32_t client, double* out);
/*
 * Of the exchange taken last: if the status is 200 the lines of its body as entries (events.h): {kind, count, bytes},
 * 32 bits each, then the bytes; else a line with the reason, and at most 2000 bytes of the body.
 */
SN_API int32_t sn_client_entries(int32_t client, uint8_t* out);

/* Places among the counters. */
enum sn_counter {
  SN_COUNT_SENT = 0,
  SN_COUNT_ENDED = 1,
  SN_COUNT_LINES = 2,
  SN_COUNT_BYTES = 3,
  SN_COUNT_RETRIED = 4,    /* kept connections that the server had closed: sent again over a new one */
  SN_COUNT_CPU_NS = 5,     /* of the network threads */
  /* ns: the median, the 99th percentile and the maximum each */
  SN_COUNT_WAIT = 6,       /* how long bytes lay ready before they were read */
  SN_COUNT_LATE = 9,       /* how late, at most, their stamps are for it: client-made error */
  SN_COUNTERS = 12
};
SN_API int32_t sn_client_counters(int32_t client, double* out);
/* Ends the threads and frees everything. */
SN_API int32_t sn_client_close(int32_t client);

/* ---- mock server: replies on an exact schedule, in whatever format it is given ---- */

/*
 * Listens and starts the server's thread. `options`:
 *   address=127.0.0.1 port=0   0 takes any free port
 *   ttft_us=0 itl_us=0         from the whole request to the first event, and between events
 *   tokens=0                   events of a reply; 0: as many as the request asks for (max_tokens, n_predict, ...)
 *   per_write=1                events that go out together
 *   lockstep=0                 1: all streams send at the same instants, multiples of itl_us
 *   seed=0                     of the failures; each of the following is requests of a thousand:
 *   error_500=0 empty=0        500; 200 with nothing in it
 *   reset=0 cut=0 stall=0      in the middle: connection reset; closed; nothing more
 *   garbage=0 error_event=0    in the middle: a line that is no JSON; an error event, and the end
 */
SN_API int32_t sn_mock_open(const char* options);
/* Parts of replies, to be given before the first request. The text of an event is a blank and the time of its sending,
   16 digits of nanoseconds. */
enum sn_part {
  SN_EVENT_BEFORE = 0,  /* an event up to its text: "data: {..." */
  SN_EVENT_AFTER = 1,   /* and from there on, with the empty line */
  SN_LAST = 2,          /* what follows the last event */
  SN_WHOLE_BEFORE = 3,  /* a reply that is not streamed, around its text */
  SN_WHOLE_AFTER = 4,
  SN_MODELS = 5,        /* JSON that answers every GET but /health and /mock (figures of the mock itself) */
  SN_ERROR_EVENT = 6,
  SN_PARTS = 7
};
SN_API int32_t sn_mock_part(int32_t mock, int32_t part, const uint8_t* bytes, int32_t length);
/* Starts to answer; returns the port. */
SN_API int32_t sn_mock_start(int32_t mock);
SN_API int32_t sn_mock_close(int32_t mock);

/* ---- bare client: a yardstick for the real one ---- */

/*
 * Sends the request over `streams` connections to 127.0.0.1 at once, in the calling thread, and waits for the ends.
 * `out` gets 1 + events times a stream, since the start of the run: of the send, and of each event as it is read.
 * Returns how many streams came to their end; the places of events that did not come stay as they are.
 */
SN_API int32_t sn_bare_run(int32_t port, const uint8_t* request, int32_t length, int32_t streams, int32_t events,
                           double* out);

#ifdef __cplusplus
}
#endif
#endif
