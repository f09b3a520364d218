/* The load generator: what its parts know of each other. README.md says what it is for, tape.py what it reads and writes. */

#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TEXT_MAX = 64, CODE_LOST = 254 };

/* One kind of request, as it lies on the tape. `id_field` is the answer's field whose first field is the id that was made, `failure_field` the one
   whose first field is a cause, `count_field` a number, or a list whose entries are counted; 0 where there is none.
   `lease_field`: where a chained request names the lease that the call before it made. */
struct method {
    char path[192];
    uint8_t id_field, failure_field, count_field, lease_field;
};

/* One request, as it lies on the tape. One that is chained follows the call before it, with the lease that it made. */
struct record {
    uint16_t method, is_chained;
    uint32_t length;
    uint64_t offset; /* of its body, from the beginning of the tape */
};
_Static_assert(sizeof(struct method) == 196 && sizeof(struct record) == 16, "tape.py writes them so");

/* What tape.py reads of one call, as it lies in the log. */
struct entry {
    uint32_t record;
    uint16_t code; /* gRPC's status, or HTTP's; CODE_LOST: the connection ended without an answer */
    uint8_t text_length;
    uint8_t told; /* 'i': text is the id made; 'c': count is the cause, or text is; 'n': count; 0: nothing */
    int64_t due_ns, end_ns; /* from the beginning of the measured time */
    int32_t count;
    uint32_t unused;
    char text[TEXT_MAX];
};
_Static_assert(sizeof(struct entry) == 96, "tape.py reads entries of 96 bytes");

struct connection;

/* One caller's place: it has one call under way at most, and keeps its memory for the next. */
struct call {
    struct connection *connection;
    const struct method *method;
    struct entry entry;
    uint8_t *request;
    size_t request_length, request_sent, request_room;
    uint8_t *answer;
    size_t answer_length, answer_room;
    bool is_busy;
};

struct connection {
    int fd;
    bool is_lost, is_dirty;
    struct nghttp2_session *session; /* HTTP/2 */
    uint8_t *out;
    size_t out_length, out_sent, out_room;
    struct call *calls;
    int calls_max, calls_busy;
    char *authority;
    bool waits_to_write;
};

/* answer.c */
void read_grpc_answer(struct call *call);
void read_json_answer(struct call *call);
void append(uint8_t **buffer, size_t *length, size_t *room, const void *data, size_t count);

/* h2.c: gRPC over HTTP/2 without TLS. h1.c: JSON over HTTP/1.1, one call a connection at a time.
   Each `send` takes the call's request and each `receive` ends calls by call_ended; false: the connection is lost. */
bool h2_open(struct connection *connection);
bool h2_send(struct call *call);
bool h2_receive(struct connection *connection, const uint8_t *data, size_t length);
bool h2_flush(struct connection *connection);
void h2_close(struct connection *connection);
void h2_chain(struct call *call, const char *id, size_t id_length);

bool h1_send(struct call *call);
bool h1_receive(struct connection *connection, const uint8_t *data, size_t length);
void h1_chain(struct call *call, const char *id, size_t id_length);

/* load.c */
void call_ended(struct call *call);
bool write_out(struct connection *connection);
_Noreturn void fail(const char *what, const char *next);

#endif
