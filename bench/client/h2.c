/* gRPC over HTTP/2 without TLS, by libnghttp2. */

#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum { WINDOW = 1 << 30, HEADERS = 8, GRPC_PREFIX = 5 };

static nghttp2_nv header(const char *name, const char *value) {
    nghttp2_nv pair = {(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                       NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
    return pair;
}

static ssize_t read_request(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t room, uint32_t *flags,
                            nghttp2_data_source *source, void *context) {
    (void)session, (void)stream, (void)context;
    struct call *call = source->ptr;
    size_t left = call->request_length - call->request_sent;
    size_t count = left < room ? left : room;
    memcpy(buffer, call->request + call->request_sent, count);
    call->request_sent += count;
    if (count == left) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)count;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *context) {
    (void)flags, (void)context;
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call != NULL && name_length == 11 && memcmp(name, "grpc-status", 11) == 0) {
        char digits[4] = {0};
        memcpy(digits, value, value_length < 3 ? value_length : 3);
        call->entry.code = (uint16_t)atoi(digits);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t length,
                   void *context) {
    (void)flags, (void)context;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call != NULL) append(&call->answer, &call->answer_length, &call->answer_room, data, length);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *context) {
    (void)error, (void)context;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call == NULL) return 0;
    read_grpc_answer(call);
    call_ended(call);
    return 0;
}

bool h2_open(struct connection *connection) {
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    int failed = nghttp2_session_client_new(&connection->session, callbacks, connection);
    nghttp2_session_callbacks_del(callbacks);
    if (failed) return false;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW}};
    return nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 2) == 0 &&
           nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, WINDOW) == 0 &&
           h2_flush(connection);
}

bool h2_send(struct call *call) {
    struct connection *connection = call->connection;
    nghttp2_nv headers[] = {
        header(":method", "POST"),          header(":scheme", "http"),
        header(":path", call->method->path), header(":authority", connection->authority),
        header("te", "trailers"),           header("content-type", "application/grpc"),
        header("grpc-timeout", "15S"),      header("user-agent", "slotlease-bench"),
    };
    nghttp2_data_provider body = {{.ptr = call}, read_request};
    call->request_sent = 0;
    connection->is_dirty = true;
    return nghttp2_submit_request(connection->session, NULL, headers, HEADERS, &body, call) > 0;
}

bool h2_receive(struct connection *connection, const uint8_t *data, size_t length) {
    connection->is_dirty = true;
    return nghttp2_session_mem_recv(connection->session, data, length) == (ssize_t)length;
}

bool h2_flush(struct connection *connection) {
    const uint8_t *data;
    ssize_t count;
    connection->is_dirty = false;
    while ((count = nghttp2_session_mem_send(connection->session, &data)) > 0) {
        append(&connection->out, &connection->out_length, &connection->out_room, data, (size_t)count);
    }
    return count == 0 && write_out(connection);
}

void h2_close(struct connection *connection) {
    nghttp2_session_del(connection->session);
    connection->session = NULL;
}

/* A message may give its fields in any order, so the lease goes behind what was prepared. */
void h2_chain(struct call *call, const char *id, size_t id_length) {
    uint8_t behind[] = {(uint8_t)(call->method->lease_field << 3 | 2), (uint8_t)(id_length + 2), 1 << 3 | 2,
                        (uint8_t)id_length};
    append(&call->request, &call->request_length, &call->request_room, behind, sizeof behind);
    append(&call->request, &call->request_length, &call->request_room, id, id_length);
    uint32_t length = htonl((uint32_t)(call->request_length - GRPC_PREFIX));
    memcpy(call->request + 1, &length, sizeof length);
}
